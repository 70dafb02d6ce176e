#pragma once

#include "outcome.h"

namespace dwcp {

constexpr size_t kBlake3Bytes = 32;

// BLAKE3 (O'Connor, Aumasson, Neves, Wilcox-O'Hearn 2020), unkeyed, 32 bytes of output.
void Blake3(Bytes bytes, uint8_t* digest);

// Of pieces that follow one another: faster than one by one where they are short.
void Blake3Each(const uint8_t* bytes, const uint32_t* lengths, size_t count, uint8_t* digests);

// BLAKE3 of bytes that come in pieces. Plain data, so that it can live in memory of the caller; all zero at the beginning.
struct Blake3State {
  static constexpr size_t kSubtreeBytes = 64 << 10;
  static constexpr size_t kMostDepth = 48;

  uint64_t subtrees;
  uint32_t buffered;
  uint32_t depth;
  uint8_t stack[kMostDepth][kBlake3Bytes];
  uint8_t buffer[kSubtreeBytes];

  // False where the job was told to stop: the state is then worth nothing.
  bool Update(Bytes bytes);
  void Digest(uint8_t* digest) const;

 private:
  void Push(const uint8_t* subtree);
};

// "avx512vl", "avx2" or "plain": how lanes are computed.
const char* Blake3Way();
// Without vector instructions beyond the processor's least, for the tests to compare with.
void Blake3Plain(Bytes bytes, uint8_t* digest);

}  // namespace dwcp
