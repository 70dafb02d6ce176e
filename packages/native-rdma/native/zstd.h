#pragma once

#include "outcome.h"

namespace dwcp {

// Empty when libzstd can be used.
const std::string& ZstdProblem();
const char* ZstdVersion();

// Whether to look for matches of at least 64 bytes all over the prefix, among several candidates: it costs time, and pays where the
// source is a later version of text or tables in the prefix.
enum class LongDistance : bool { kNo, kYes };

// Of the low levels with a prefix: the larger their tables, the more of it is found, and above the size of a core's own cache each
// place that is looked up costs a wait.
constexpr int kMaxTableLog = 22;

// One frame with its content size. The caller has checked that ZstdProblem() is empty.
Outcome ZstdCompress(Bytes source, Bytes prefix, int level, LongDistance matching = LongDistance::kNo, int max_table_log = kMaxTableLog);

// Exactly one frame, of at most `max_bytes`, which is checked before anything is allocated.
Outcome ZstdDecompress(Bytes frame, Bytes prefix, uint64_t max_bytes);

// Exactly one frame of exactly `length` bytes, for which there is room at `target`; else it is corrupt, and what is there is of no meaning.
Outcome ZstdDecompressTo(Bytes frame, Bytes prefix, uint8_t* target, size_t length);

}  // namespace dwcp
