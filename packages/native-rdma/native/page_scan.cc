#include "page_scan.h"

#include <algorithm>
#include <bit>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace dwcp {
namespace {

constexpr uint32_t kAnchorFactor = 2654435761u;
constexpr int kAnchorShift = 32 - 6;
// Not 0, which is what zeros give.
constexpr uint32_t kAnchorSign = 1;
// Memories are compared as fast as they can be read, which hardware does not prepare across pages of 4 KiB.
constexpr size_t kPrefetchBytes = 2048;
constexpr size_t kWordsPerStep = kPageStepBytes / kWordBytes;

uint64_t WordAt(const uint8_t* page) {
  uint64_t word;
  std::memcpy(&word, page, kWordBytes);
  return word;
}

size_t ComparePlain(const uint8_t* old_page, const uint8_t* new_page, size_t bytes, uint8_t* mask) {
  size_t changed = 0;
  for (size_t at = 0; at < bytes; at += kPageStepBytes) {
    unsigned bits = 0;
    for (size_t word = 0; word < kWordsPerStep; ++word) {
      const size_t here = at + word * kWordBytes;
      bits |= static_cast<unsigned>(WordAt(old_page + here) != WordAt(new_page + here)) << word;
    }
    mask[at / kPageStepBytes] = static_cast<uint8_t>(bits);
    changed += std::popcount(bits);
  }
  return changed;
}

bool IsZeroPlain(const uint8_t* page, size_t bytes) {
  for (size_t at = 0; at < bytes; at += kPageStepBytes) {
    uint64_t any = 0;
    for (size_t word = 0; word < kWordsPerStep; ++word) any |= WordAt(page + at + word * kWordBytes);
    if (any != 0) return false;
  }
  return true;
}

size_t AnchorsPlain(const uint8_t* page, size_t bytes, uint16_t* places) {
  size_t count = 0;
  for (size_t at = 0; at < bytes; at += kWordBytes) {
    const uint64_t word = WordAt(page + at);
    const uint32_t folded = static_cast<uint32_t>(word) ^ static_cast<uint32_t>(word >> 32);
    if (folded * kAnchorFactor >> kAnchorShift == kAnchorSign) places[count++] = static_cast<uint16_t>(at / kWordBytes);
  }
  return count;
}

constexpr PageScan kPlain = {"plain", ComparePlain, IsZeroPlain, AnchorsPlain};

#if defined(__x86_64__)

size_t CompareSse2(const uint8_t* old_page, const uint8_t* new_page, size_t bytes, uint8_t* mask) {
  size_t changed = 0;
  for (size_t at = 0; at < bytes; at += kPageStepBytes) {
    unsigned bits = 0;
    for (size_t half = 0; half < 4; ++half) {
      const auto* old_words = reinterpret_cast<const __m128i*>(old_page + at) + half;
      const auto* new_words = reinterpret_cast<const __m128i*>(new_page + at) + half;
      const __m128i same = _mm_cmpeq_epi8(_mm_loadu_si128(old_words), _mm_loadu_si128(new_words));
      const unsigned same_bytes = _mm_movemask_epi8(same);
      bits |= static_cast<unsigned>((same_bytes & 0xff) != 0xff) << (2 * half) | static_cast<unsigned>(same_bytes >> 8 != 0xff) << (2 * half + 1);
    }
    mask[at / kPageStepBytes] = static_cast<uint8_t>(bits);
    changed += std::popcount(bits);
  }
  return changed;
}

bool IsZeroSse2(const uint8_t* page, size_t bytes) {
  for (size_t at = 0; at < bytes; at += kPageStepBytes) {
    const auto* words = reinterpret_cast<const __m128i*>(page + at);
    const __m128i any = _mm_or_si128(_mm_or_si128(_mm_loadu_si128(words), _mm_loadu_si128(words + 1)),
                                     _mm_or_si128(_mm_loadu_si128(words + 2), _mm_loadu_si128(words + 3)));
    if (_mm_movemask_epi8(_mm_cmpeq_epi8(any, _mm_setzero_si128())) != 0xffff) return false;
  }
  return true;
}

// SSE2 has no 32-bit multiplication of four lanes: the plain loop is as fast.
constexpr PageScan kSse2 = {"sse2", CompareSse2, IsZeroSse2, AnchorsPlain};

__attribute__((target("avx2"))) __m256i SameWordsAvx2(const uint8_t* old_words, const uint8_t* new_words) {
  return _mm256_cmpeq_epi64(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(old_words)),
                            _mm256_loadu_si256(reinterpret_cast<const __m256i*>(new_words)));
}

__attribute__((target("avx2,popcnt"))) size_t CompareAvx2(const uint8_t* old_page, const uint8_t* new_page, size_t bytes, uint8_t* mask) {
  const __m256i ones = _mm256_set1_epi64x(-1);
  size_t changed = 0;
  for (size_t at = 0; at < bytes; at += kPageStepBytes) {
    _mm_prefetch(reinterpret_cast<const char*>(old_page + at + kPrefetchBytes), _MM_HINT_T0);
    _mm_prefetch(reinterpret_cast<const char*>(new_page + at + kPrefetchBytes), _MM_HINT_T0);
    const __m256i low = SameWordsAvx2(old_page + at, new_page + at);
    const __m256i high = SameWordsAvx2(old_page + at + 32, new_page + at + 32);
    mask[at / kPageStepBytes] = 0;
    if (_mm256_testc_si256(_mm256_and_si256(low, high), ones)) continue;
    const unsigned same = static_cast<unsigned>(_mm256_movemask_pd(_mm256_castsi256_pd(low))) |
                          static_cast<unsigned>(_mm256_movemask_pd(_mm256_castsi256_pd(high))) << 4;
    mask[at / kPageStepBytes] = static_cast<uint8_t>(~same);
    changed += 8 - static_cast<size_t>(__builtin_popcount(same));
  }
  return changed;
}

__attribute__((target("avx2"))) bool IsZeroAvx2(const uint8_t* page, size_t bytes) {
  for (size_t at = 0; at < bytes; at += kPageStepBytes) {
    const auto* words = reinterpret_cast<const __m256i*>(page + at);
    const __m256i any = _mm256_or_si256(_mm256_loadu_si256(words), _mm256_loadu_si256(words + 1));
    if (!_mm256_testz_si256(any, any)) return false;
  }
  return true;
}

__attribute__((target("avx2"))) size_t AnchorsAvx2(const uint8_t* page, size_t bytes, uint16_t* places) {
  const __m256i factor = _mm256_set1_epi32(static_cast<int>(kAnchorFactor));
  const __m256i sign = _mm256_set1_epi32(kAnchorSign);
  // Where the words are after the shuffle has put their halves side by side.
  static constexpr uint8_t kOrder[] = {0, 1, 4, 5, 2, 3, 6, 7};
  size_t count = 0;
  for (size_t at = 0; at < bytes; at += kPageStepBytes) {
    const auto* floats = reinterpret_cast<const float*>(page + at);
    const __m256 first = _mm256_loadu_ps(floats);
    const __m256 second = _mm256_loadu_ps(floats + 8);
    const __m256i low = _mm256_castps_si256(_mm256_shuffle_ps(first, second, 0x88));
    const __m256i high = _mm256_castps_si256(_mm256_shuffle_ps(first, second, 0xdd));
    const __m256i hashes = _mm256_srli_epi32(_mm256_mullo_epi32(_mm256_xor_si256(low, high), factor), kAnchorShift);
    auto found = static_cast<unsigned>(_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(hashes, sign))));
    for (; found != 0; found &= found - 1) places[count++] = static_cast<uint16_t>(at / kWordBytes + kOrder[std::countr_zero(found)]);
  }
  return count;
}

constexpr PageScan kAvx2 = {"avx2", CompareAvx2, IsZeroAvx2, AnchorsAvx2};

const PageScan& Choose() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt") ? kAvx2 : kSse2;
}

#else

const PageScan& Choose() { return kPlain; }

#endif

// Of 32 bytes, in arithmetic that JavaScript has too.
uint32_t TagOf(const uint8_t* place) {
  uint32_t hash = 0;
  for (size_t at = 0; at < kSeedBytes; at += sizeof(uint32_t)) {
    uint32_t value;
    std::memcpy(&value, place + at, sizeof(value));
    hash = (hash ^ value) * kAnchorFactor;
    hash ^= hash >> 15;
  }
  return hash == 0 ? 1 : hash;
}

}  // namespace

const PageScan& Scan() {
  static const PageScan& chosen = Choose();
  return chosen;
}

const PageScan& PlainScan() { return kPlain; }

void StreamPage(uint8_t* to, const uint8_t* from, size_t bytes) {
#if defined(__x86_64__)
  constexpr size_t kAheadBytes = 1024;
  if (reinterpret_cast<uintptr_t>(to) % sizeof(__m128i) == 0) {
    for (size_t at = 0; at < bytes; at += kPageStepBytes) {
      __builtin_prefetch(from + at + kAheadBytes);
      for (size_t part = at; part < at + kPageStepBytes; part += sizeof(__m128i)) {
        _mm_stream_si128(reinterpret_cast<__m128i*>(to + part), _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + part)));
      }
    }
    _mm_sfence();
    return;
  }
#endif
  std::memcpy(to, from, bytes);
}

void PrefetchPage(const uint8_t* page, size_t bytes) {
  constexpr size_t kLineBytes = 64;
  constexpr size_t kMostBytes = 1024;
  for (size_t at = 0; at < std::min(bytes, kMostBytes); at += kLineBytes) __builtin_prefetch(page + at);
}

void ScanPages(const uint8_t* old_pages, const uint8_t* new_pages, size_t count, size_t page_bytes, uint8_t* kinds) {
  const PageScan& scan = Scan();
  for (size_t page = 0; page < count; ++page) {
    const size_t at = page * page_bytes;
    const bool is_same = std::memcmp(old_pages + at, new_pages + at, page_bytes) == 0;
    const PageKind kind = scan.is_zero(new_pages + at, page_bytes) ? PageKind::kZero : is_same ? PageKind::kSame : PageKind::kWords;
    kinds[page] = static_cast<uint8_t>(kind);
  }
}

void TagPages(const uint8_t* pages, size_t count, size_t page_bytes, uint32_t* tags) {
  uint16_t places[kAnchorBlockBytes / kWordBytes];
  for (size_t page = 0; page < count; ++page, pages += page_bytes, tags += kTagsPerPage) {
    size_t tagged = 0;
    for (size_t block = 0; block < page_bytes && tagged < kTagsPerPage; block += kAnchorBlockBytes) {
      const size_t found = Scan().anchors(pages + block, std::min(kAnchorBlockBytes, page_bytes - block), places);
      for (size_t i = 0; i < found && tagged < kTagsPerPage; ++i) {
        const size_t at = block + places[i] * kWordBytes;
        if (at + kSeedBytes <= page_bytes) tags[tagged++] = TagOf(pages + at);
      }
    }
    std::fill(tags + tagged, tags + kTagsPerPage, 0);
  }
}

}  // namespace dwcp
