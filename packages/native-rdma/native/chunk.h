#pragma once

#include "outcome.h"

namespace dwcp {

// The sizes of content-defined chunks, in bytes. Where all three are equal, chunks are fixed pages.
struct ChunkSizes {
  uint32_t least;
  uint32_t average;
  uint32_t most;
};

// Shorter ones would end before what decides about their end.
constexpr uint32_t kLeastChunkBytes = 64;

enum class DigestKind : uint32_t { kNone = 0, kXxh3 = 1, kBlake3 = 2 };

// Cuts `bytes` where its content says so: the same content is cut at the same places wherever it stands. The outcome is one record for
// each chunk: its length as a little-endian 32-bit number, then its digest of 0, 16 or 32 bytes. What is left behind the last cut is
// a chunk only where `is_last` says that nothing follows.
Outcome Chunk(Bytes bytes, ChunkSizes sizes, bool is_last, DigestKind kind);

// Looks from `from` on for the first place before `to` that may end a chunk; at least eight bytes stand before `from`.
struct ChunkScan {
  const char* name;
  size_t (*find)(const uint8_t* bytes, size_t from, size_t to, uint16_t mask);
};

const ChunkScan& ChunkScanChosen();
const ChunkScan& ChunkScanPlain();

}  // namespace dwcp
