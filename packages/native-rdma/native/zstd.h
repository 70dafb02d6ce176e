#pragma once

#include "outcome.h"

namespace dwcp {

// Empty when libzstd can be used.
const std::string& ZstdProblem();
const char* ZstdVersion();

// One frame with its content size. The caller has checked that ZstdProblem() is empty.
Outcome ZstdCompress(Bytes source, Bytes prefix, int level);

// Exactly one frame, of at most `max_bytes`, which is checked before anything is allocated.
Outcome ZstdDecompress(Bytes frame, Bytes prefix, uint64_t max_bytes);

}  // namespace dwcp
