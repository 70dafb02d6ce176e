#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

namespace dwcp {

inline uint64_t Load64(const uint8_t* at) {
  uint64_t value;
  std::memcpy(&value, at, 8);
  if constexpr (std::endian::native == std::endian::big) value = __builtin_bswap64(value);
  return value;
}

inline uint32_t Load32(const uint8_t* at) {
  uint32_t value;
  std::memcpy(&value, at, 4);
  if constexpr (std::endian::native == std::endian::big) value = __builtin_bswap32(value);
  return value;
}

inline void Store32(uint8_t* at, uint32_t value) {
  for (int i = 0; i < 4; ++i) at[i] = value >> (8 * i);
}

inline void Store64(uint8_t* at, uint64_t value) {
  for (int i = 0; i < 8; ++i) at[i] = value >> (8 * i);
}

// How many bytes from here on are equal, at most `most`.
inline size_t EqualBytes(const uint8_t* one, const uint8_t* other, size_t most) {
  size_t length = 0;
  // Without a branch inside, so that compilers make vectors of it.
  for (; length + 64 <= most; length += 64) {
    uint64_t different = 0;
    for (size_t k = 0; k < 64; k += 8) different |= Load64(one + length + k) ^ Load64(other + length + k);
    if (different != 0) break;
  }
  for (; length + 8 <= most; length += 8) {
    const uint64_t different = Load64(one + length) ^ Load64(other + length);
    if (different != 0) return length + std::countr_zero(different) / 8;
  }
  while (length < most && one[length] == other[length]) ++length;
  return length;
}

// The same backwards, from the bytes before.
inline size_t EqualBytesBefore(const uint8_t* one, const uint8_t* other, size_t most) {
  size_t length = 0;
  for (; length + 8 <= most; length += 8) {
    const uint64_t different = Load64(one - length - 8) ^ Load64(other - length - 8);
    if (different != 0) return length + std::countl_zero(different) / 8;
  }
  while (length < most && one[-1 - static_cast<ptrdiff_t>(length)] == other[-1 - static_cast<ptrdiff_t>(length)]) ++length;
  return length;
}

}  // namespace dwcp
