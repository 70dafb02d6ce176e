#pragma once

#include <span>

#include "outcome.h"

// The parts of a page delta that encoder and decoder share: docs/wire/hde.md § page delta.
namespace dwcp {

// Pages of one length, wherever each of them is.
using Pages = std::span<const uint8_t* const>;

enum class StreamCodec : unsigned { kRaw = 0, kZstd = 1, kZstdPrefix = 2, kLz4 = 3 };

constexpr size_t kMaxVarintBytes = 8;

// How many bytes hold two bits for each of `pages`.
constexpr size_t KindBytes(size_t pages) { return (pages + 3) / 4; }
// Of a page's mask, one bit a word.
constexpr size_t MaskBytes(size_t page_bytes) { return page_bytes / 64; }
// Of the summary of a page's mask, one bit for each of its bytes.
constexpr size_t SummaryBytes(size_t page_bytes) { return (MaskBytes(page_bytes) + 7) / 8; }

inline Outcome NoMemoryFor(size_t bytes) {
  return Outcome::Failed(Fault::kOutOfMemory, "no memory for " + std::to_string(bytes) + " bytes");
}

}  // namespace dwcp
