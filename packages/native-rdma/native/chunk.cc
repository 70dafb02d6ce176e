// Content-defined chunking after FastCDC (Xia et al. 2016 and 2020): a gear hash, a least size that is not looked at, and sizes
// normalised by a stricter condition before the average is reached than behind it (their level 2). The hash is made for vectors: of
// the last eight bytes only, each looked up as two nibbles, and cheap because it need only find candidates; sixteen bytes, mixed well,
// decide on these. The condition depends on nothing but the sixteen bytes before a place.
#include "chunk.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <vector>

#include "blake3.h"
#include "hash.h"
#include "stop.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace dwcp {
namespace {

constexpr size_t kWindowBytes = 8;
constexpr size_t kDecidingBytes = 16;
// Chosen by chance among those with which no run of one byte is ever a candidate.
constexpr uint8_t kLow[16] = {45, 33, 186, 83, 198, 46, 79, 58, 191, 161, 111, 122, 104, 232, 225, 10};
constexpr uint8_t kHigh[16] = {241, 181, 55, 109, 60, 176, 51, 203, 72, 98, 91, 243, 129, 96, 103, 154};
// FastCDC's normalisation: 2 bits more and 2 bits less than the average asks for.
constexpr double kNormal = 4;
constexpr unsigned kMostCandidateBits = 11;
constexpr unsigned kLeastCandidateBits = 7;
constexpr size_t kStopBytes = 8 << 20;

struct Gear {
  int8_t of[256];
};

constexpr Gear MakeGear() {
  Gear gear{};
  for (int byte = 0; byte < 256; ++byte) gear.of[byte] = static_cast<int8_t>(kLow[byte & 15] ^ kHigh[byte >> 4]);
  return gear;
}

constexpr Gear kGear = MakeGear();

// The sum over the last eight bytes, the older the heavier: 2 * hash + new - 256 * oldest.
size_t FindPlain(const uint8_t* bytes, size_t from, size_t to, uint16_t mask) {
  int32_t hash = 0;
  for (size_t at = from - kWindowBytes; at < from; ++at) hash = 2 * hash + kGear.of[bytes[at]];
  for (size_t at = from; at < to; ++at) {
    if ((static_cast<uint32_t>(hash) & mask) == 0) return at;
    hash = 2 * hash + kGear.of[bytes[at]] - 256 * kGear.of[bytes[at - kWindowBytes]];
  }
  return to;
}

constexpr ChunkScan kPlain = {"plain", FindPlain};

#if defined(__x86_64__)

// A block's weights are made first and then read at eight offsets: unaligned loads cost less than shuffles across lanes.
constexpr size_t kBlockBytes = 512;
constexpr size_t kStepBytes = 32;

__attribute__((target("avx2"))) inline __m256i SumAvx2(const int8_t* weights) {
  const auto part = [weights](int back, int older, int newer) __attribute__((target("avx2"))) {
    const __m256i scale = _mm256_set1_epi16(static_cast<int16_t>(newer << 8 | older));
    return _mm256_maddubs_epi16(scale, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights - back)));
  };
  return _mm256_add_epi16(_mm256_add_epi16(part(8, 128, 64), part(6, 32, 16)), _mm256_add_epi16(part(4, 8, 4), part(2, 2, 1)));
}

__attribute__((target("avx2"))) size_t FindAvx2(const uint8_t* bytes, size_t from, size_t to, uint16_t mask) {
  const __m256i nibble = _mm256_set1_epi8(15);
  const __m256i lows = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(kLow)));
  const __m256i highs = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(kHigh)));
  const __m256i masks = _mm256_set1_epi16(static_cast<int16_t>(mask));
  const __m256i zero = _mm256_setzero_si256();
  alignas(32) int8_t weights[kBlockBytes + kStepBytes + kWindowBytes];
  while (to - from >= kStepBytes) {
    const size_t length = std::min(kBlockBytes, (to - from) / kStepBytes * kStepBytes);
    const uint8_t* block = bytes + from - kWindowBytes;
    // The last of the weights byte by byte: the buffer may end there.
    for (size_t at = 0; at < length; at += kStepBytes) {
      const __m256i raw = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(block + at));
      const __m256i low = _mm256_shuffle_epi8(lows, _mm256_and_si256(raw, nibble));
      const __m256i high = _mm256_shuffle_epi8(highs, _mm256_and_si256(_mm256_srli_epi16(raw, 4), nibble));
      _mm256_store_si256(reinterpret_cast<__m256i*>(weights + at), _mm256_xor_si256(low, high));
    }
    for (size_t at = length; at < length + kWindowBytes; ++at) weights[at] = kGear.of[block[at]];
    for (size_t at = 0; at < length; at += kStepBytes) {
      // Places at even and at odd distances.
      const __m256i even = _mm256_cmpeq_epi16(_mm256_and_si256(SumAvx2(weights + at + 8), masks), zero);
      const __m256i odd = _mm256_cmpeq_epi16(_mm256_and_si256(SumAvx2(weights + at + 9), masks), zero);
      if (_mm256_testz_si256(_mm256_or_si256(even, odd), _mm256_or_si256(even, odd))) continue;
      const auto evens = static_cast<uint32_t>(_mm256_movemask_epi8(even)) & 0x55555555u;
      const auto odds = static_cast<uint32_t>(_mm256_movemask_epi8(odd)) & 0xaaaaaaaau;
      return from + at + static_cast<size_t>(std::countr_zero(evens | odds));
    }
    from += length;
  }
  return FindPlain(bytes, from, to, mask);
}

constexpr ChunkScan kAvx2 = {"avx2", FindAvx2};

const ChunkScan& Choose() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") ? kAvx2 : kPlain;
}

#else

const ChunkScan& Choose() { return kPlain; }

#endif

// In arithmetic that JavaScript has too.
uint32_t Decide(const uint8_t* place) {
  uint32_t mixed = 0;
  for (size_t at = 0; at < kDecidingBytes; at += sizeof(uint32_t)) {
    uint32_t word;
    std::memcpy(&word, place - kDecidingBytes + at, sizeof(word));
    mixed = (mixed ^ word) * 2654435761u;
    mixed ^= mixed >> 15;
  }
  return mixed;
}

struct Conditions {
  uint16_t mask;
  // What Decide() must stay below, before and behind the average; 2^32 takes all.
  uint64_t strict;
  uint64_t loose;
};

Conditions ConditionsFor(uint32_t average) {
  const double wanted = average / kNormal;
  const auto bits = std::clamp<unsigned>(std::bit_width(static_cast<uint32_t>(wanted)) - 1, kLeastCandidateBits, kMostCandidateBits);
  const double loose = 4294967296.0 * static_cast<double>(1u << bits) / wanted;
  return {static_cast<uint16_t>(((1u << bits) - 1) << (15 - bits)), static_cast<uint64_t>(loose / (kNormal * kNormal)),
          static_cast<uint64_t>(std::min(loose, 4294967296.0))};
}

// How many of `bytes`, which are more than the least, make a chunk; all where nothing ends it.
size_t CutOf(const uint8_t* bytes, size_t length, const ChunkSizes& sizes, const Conditions& conditions) {
  const ChunkScan& scan = ChunkScanChosen();
  const size_t end = std::min<size_t>(length, sizes.most);
  size_t at = sizes.least;
  for (const bool is_strict : {true, false}) {
    const size_t until = is_strict ? std::min<size_t>(end, sizes.average) : end;
    while (at < until) {
      at = scan.find(bytes, at, until, conditions.mask);
      if (at < until && Decide(bytes + at) < (is_strict ? conditions.strict : conditions.loose)) return at;
      if (at < until) ++at;
    }
  }
  return end;
}

}  // namespace

const ChunkScan& ChunkScanChosen() {
  static const ChunkScan& chosen = Choose();
  return chosen;
}

const ChunkScan& ChunkScanPlain() { return kPlain; }

Outcome Chunk(Bytes bytes, ChunkSizes sizes, bool is_last, DigestKind kind) {
  const Conditions conditions = ConditionsFor(sizes.average);
  const size_t digest_bytes = kind == DigestKind::kNone ? 0 : kind == DigestKind::kXxh3 ? kDigestBytes : kBlake3Bytes;
  const size_t record_bytes = sizeof(uint32_t) + digest_bytes;
  std::vector<uint32_t> lengths;
  std::vector<uint8_t> digests;
  size_t hashed_bytes = 0;
  size_t hashed = 0;
  // Digests follow the cuts closely, while the bytes are in the cache.
  const auto hash = [&](size_t end) {
    if (digest_bytes == 0) return;
    digests.resize(lengths.size() * digest_bytes);
    uint8_t* to = digests.data() + hashed * digest_bytes;
    if (kind == DigestKind::kBlake3) {
      Blake3Each(bytes.data + hashed_bytes, lengths.data() + hashed, lengths.size() - hashed, to);
    } else {
      for (size_t at = hashed_bytes; hashed < lengths.size(); at += lengths[hashed++], to += kDigestBytes) Hash({bytes.data + at, lengths[hashed]}, to);
    }
    hashed = lengths.size();
    hashed_bytes = end;
  };
  size_t at = 0;
  size_t stop_at = kStopBytes;
  while (at < bytes.length) {
    const size_t left = bytes.length - at;
    const bool is_fixed = sizes.least == sizes.most;
    const size_t cut = left <= sizes.least ? left : is_fixed ? sizes.most : CutOf(bytes.data + at, left, sizes, conditions);
    // The end of the bytes may be no end of a chunk.
    if (cut == left && cut < sizes.most && !is_last) break;
    lengths.push_back(static_cast<uint32_t>(cut));
    at += cut;
    if (at - hashed_bytes >= (128 << 10)) hash(at);
    if (at >= stop_at) {
      if (IsStopped()) return Stopped();
      stop_at += kStopBytes;
    }
  }
  hash(at);
  Outcome outcome;
  if (!outcome.bytes.Allocate(lengths.size() * record_bytes)) return Outcome::Failed(Fault::kOutOfMemory, "no memory for the list of chunks");
  uint8_t* to = outcome.bytes.data();
  for (size_t i = 0; i < lengths.size(); ++i, to += record_bytes) {
    std::memcpy(to, &lengths[i], sizeof(uint32_t));
    if (digest_bytes > 0) std::memcpy(to + sizeof(uint32_t), digests.data() + i * digest_bytes, digest_bytes);
  }
  return outcome;
}

}  // namespace dwcp
