#pragma once

#include <array>
#include <bit>
#include <cstring>

#include "outcome.h"

// Changed words by how many bytes they need: small numbers, pointers and text are unlike each other, and each compresses best among
// its own kind. docs/wire/hde.md § page delta.
namespace dwcp {

constexpr size_t kWordClasses = 7;
// Bytes of each that are sent; the ones above are zero.
constexpr std::array<uint8_t, kWordClasses> kClassBytes = {0, 1, 2, 3, 4, 6, 8};
// By significant bytes, none to eight.
constexpr std::array<uint8_t, 9> kClassOf = {0, 1, 2, 3, 4, 5, 5, 6, 6};
// Addresses, mostly: their first bytes are noise, their last ones hardly change, so that each goes into a stream of its own.
constexpr size_t kSplitClass = 4;

inline size_t SignificantBytes(uint64_t word) { return (71 - static_cast<size_t>(std::countl_zero(word))) / 8; }

// The low `bytes` bytes of the word at `from`, behind which 8 bytes must be readable.
inline uint64_t LowBytes(const uint8_t* from, size_t bytes) {
  uint64_t word;
  std::memcpy(&word, from, sizeof(word));
  return bytes == 8 ? word : word & ((uint64_t{1} << (bytes * 8)) - 1);
}

}  // namespace dwcp
