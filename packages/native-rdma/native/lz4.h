#pragma once

#include "outcome.h"

namespace dwcp {

// LZ4_MAX_INPUT_SIZE: the block format's reference implementation counts in int.
constexpr uint64_t kLz4MaxBytes = 0x7E000000;

// Empty when liblz4 can be used.
const std::string& Lz4Problem();
const char* Lz4Version();

// One raw block. The caller has checked that Lz4Problem() is empty; of the prefix the last 64 KiB count.
Outcome Lz4Compress(Bytes source, Bytes prefix);

// Exactly `length` bytes, or the block is corrupt.
Outcome Lz4Decompress(Bytes block, Bytes prefix, uint64_t length);
// The same into memory with room for them.
Outcome Lz4DecompressTo(Bytes block, Bytes prefix, uint8_t* target, size_t length);

}  // namespace dwcp
