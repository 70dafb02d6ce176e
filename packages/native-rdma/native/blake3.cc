#include "blake3.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "stop.h"

namespace dwcp {
namespace {

constexpr size_t kBlockBytes = 64;
constexpr size_t kLeafBytes = 1024;
constexpr size_t kLanes = 8;
constexpr uint32_t kIv[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
constexpr uint32_t kStart = 1;
constexpr uint32_t kEnd = 2;
constexpr uint32_t kParent = 4;
constexpr uint32_t kRoot = 8;
constexpr uint8_t kPermutation[16] = {2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8};

struct Schedule {
  uint8_t word[7][16];
};

constexpr Schedule MakeSchedule() {
  Schedule schedule{};
  for (uint8_t i = 0; i < 16; ++i) schedule.word[0][i] = i;
  for (int round = 1; round < 7; ++round) {
    for (int i = 0; i < 16; ++i) schedule.word[round][i] = schedule.word[round - 1][kPermutation[i]];
  }
  return schedule;
}

constexpr Schedule kSchedule = MakeSchedule();

// Eight hashes side by side; a compiler makes two halves of it where registers are shorter.
typedef uint32_t Lanes __attribute__((vector_size(4 * kLanes)));

// Word is uint32_t for one hash, Lanes for eight.
template <class Word>
__attribute__((always_inline)) inline void Mix(Word& a, Word& b, Word& c, Word& d, const Word& x, const Word& y) {
  a = a + b + x;
  d ^= a;
  d = d >> 16 | d << 16;
  c += d;
  b ^= c;
  b = b >> 12 | b << 20;
  a = a + b + y;
  d ^= a;
  d = d >> 8 | d << 24;
  c += d;
  b ^= c;
  b = b >> 7 | b << 25;
}

template <class Word>
__attribute__((always_inline)) inline void Compress(Word* chain, const Word* words, const Word& low, const Word& high, const Word& length,
                                                    const Word& flags) {
  Word v[16];
  for (int i = 0; i < 8; ++i) v[i] = chain[i];
  for (int i = 0; i < 4; ++i) v[8 + i] = Word{} + kIv[i];
  v[12] = low;
  v[13] = high;
  v[14] = length;
  v[15] = flags;
#pragma GCC unroll 7
  for (int round = 0; round < 7; ++round) {
    const uint8_t* at = kSchedule.word[round];
    Mix(v[0], v[4], v[8], v[12], words[at[0]], words[at[1]]);
    Mix(v[1], v[5], v[9], v[13], words[at[2]], words[at[3]]);
    Mix(v[2], v[6], v[10], v[14], words[at[4]], words[at[5]]);
    Mix(v[3], v[7], v[11], v[15], words[at[6]], words[at[7]]);
    Mix(v[0], v[5], v[10], v[15], words[at[8]], words[at[9]]);
    Mix(v[1], v[6], v[11], v[12], words[at[10]], words[at[11]]);
    Mix(v[2], v[7], v[8], v[13], words[at[12]], words[at[13]]);
    Mix(v[3], v[4], v[9], v[14], words[at[14]], words[at[15]]);
  }
  for (int i = 0; i < 8; ++i) chain[i] = v[i] ^ v[i + 8];
}

// Rows of eight words to columns.
__attribute__((always_inline)) inline void Transpose(Lanes* rows) {
  Lanes pairs[8];
  Lanes quads[8];
  for (int i = 0; i < 8; i += 2) {
    pairs[i] = __builtin_shufflevector(rows[i], rows[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
    pairs[i + 1] = __builtin_shufflevector(rows[i], rows[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
  }
  for (int i = 0; i < 8; i += 4) {
    quads[i] = __builtin_shufflevector(pairs[i], pairs[i + 2], 0, 1, 8, 9, 4, 5, 12, 13);
    quads[i + 1] = __builtin_shufflevector(pairs[i], pairs[i + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    quads[i + 2] = __builtin_shufflevector(pairs[i + 1], pairs[i + 3], 0, 1, 8, 9, 4, 5, 12, 13);
    quads[i + 3] = __builtin_shufflevector(pairs[i + 1], pairs[i + 3], 2, 3, 10, 11, 6, 7, 14, 15);
  }
  for (int i = 0; i < 4; ++i) {
    rows[i] = __builtin_shufflevector(quads[i], quads[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    rows[i + 4] = __builtin_shufflevector(quads[i], quads[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
}

// What eight lanes take: as many whole blocks each. Leaves are numbered; parents are not.
struct Batch {
  const uint8_t* inputs[kLanes];
  uint64_t counters[kLanes];
  size_t blocks;
  bool is_leaf;
};

// To eight chaining values, one after the other.
__attribute__((always_inline)) inline void HashLanes(const Batch& batch, uint8_t* out) {
  Lanes chain[8];
  Lanes low;
  Lanes high;
  for (int i = 0; i < 8; ++i) chain[i] = Lanes{} + kIv[i];
  for (size_t lane = 0; lane < kLanes; ++lane) {
    low[lane] = static_cast<uint32_t>(batch.counters[lane]);
    high[lane] = static_cast<uint32_t>(batch.counters[lane] >> 32);
  }
  for (size_t block = 0; block < batch.blocks; ++block) {
    Lanes words[16];
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const uint8_t* from = batch.inputs[lane] + block * kBlockBytes;
      std::memcpy(&words[lane], from, sizeof(Lanes));
      std::memcpy(&words[lane + 8], from + sizeof(Lanes), sizeof(Lanes));
    }
    Transpose(words);
    Transpose(words + 8);
    const uint32_t flags = batch.is_leaf ? (block == 0 ? kStart : 0) | (block + 1 == batch.blocks ? kEnd : 0) : kParent;
    Compress(chain, words, low, high, Lanes{} + static_cast<uint32_t>(kBlockBytes), Lanes{} + flags);
  }
  Transpose(chain);
  std::memcpy(out, chain, sizeof(chain));
}

struct Way {
  const char* name;
  void (*hash)(const Batch& batch, uint8_t* out);
};

void HashPlain(const Batch& batch, uint8_t* out) { HashLanes(batch, out); }

constexpr Way kPlain = {"plain", HashPlain};

#if defined(__x86_64__)

__attribute__((target("avx2"))) void HashAvx2(const Batch& batch, uint8_t* out) { HashLanes(batch, out); }

// For its rotations and twice as many registers; the vectors stay 256 bits long.
__attribute__((target("avx512f,avx512vl,avx2"))) void HashAvx512(const Batch& batch, uint8_t* out) { HashLanes(batch, out); }

Way Choose() {
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl")) return {"avx512vl", HashAvx512};
  return __builtin_cpu_supports("avx2") ? Way{"avx2", HashAvx2} : kPlain;
}

#else

Way Choose() { return kPlain; }

#endif

const Way& Chosen() {
  static const Way chosen = Choose();
  return chosen;
}

void Load(const uint8_t* from, uint32_t* words, size_t count) { std::memcpy(words, from, count * sizeof(uint32_t)); }

// Up to a whole leaf, which may be the root.
void Leaf(Bytes bytes, uint64_t counter, bool is_root, uint8_t* out) {
  uint32_t chain[8];
  std::copy_n(kIv, 8, chain);
  for (size_t at = 0; at == 0 || at < bytes.length; at += kBlockBytes) {
    const size_t length = std::min(kBlockBytes, bytes.length - at);
    const bool is_last = at + length == bytes.length;
    uint8_t block[kBlockBytes] = {};
    if (length > 0) std::memcpy(block, bytes.data + at, length);
    uint32_t words[16];
    Load(block, words, 16);
    const uint32_t flags = (at == 0 ? kStart : 0) | (is_last ? kEnd | (is_root ? kRoot : 0) : 0);
    Compress<uint32_t>(chain, words, static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32), static_cast<uint32_t>(length),
                       flags);
  }
  std::memcpy(out, chain, sizeof(chain));
}

// Of two chaining values that stand side by side.
void Parent(const uint8_t* children, bool is_root, uint8_t* out) {
  uint32_t chain[8];
  uint32_t words[16];
  std::copy_n(kIv, 8, chain);
  Load(children, words, 16);
  Compress<uint32_t>(chain, words, 0, 0, static_cast<uint32_t>(kBlockBytes), kParent | (is_root ? kRoot : 0));
  std::memcpy(out, chain, sizeof(chain));
}

// Whole leaves, or pairs of chaining values, until there are eight of them.
class Queue {
 public:
  Queue(const Way& way, bool is_leaf) : way_(way) {
    batch_.blocks = is_leaf ? kLeafBytes / kBlockBytes : 1;
    batch_.is_leaf = is_leaf;
  }

  void Add(const uint8_t* input, uint64_t counter, uint8_t* out) {
    batch_.inputs[waiting_] = input;
    batch_.counters[waiting_] = counter;
    outs_[waiting_++] = out;
    if (waiting_ == kLanes) Flush();
  }

  void Flush() {
    if (waiting_ == 0) return;
    if (waiting_ == 1) {
      batch_.is_leaf ? Leaf({batch_.inputs[0], kLeafBytes}, batch_.counters[0], false, outs_[0]) : Parent(batch_.inputs[0], false, outs_[0]);
    } else {
      uint8_t chains[kLanes * kBlake3Bytes];
      for (size_t lane = waiting_; lane < kLanes; ++lane) {
        batch_.inputs[lane] = batch_.inputs[0];
        batch_.counters[lane] = 0;
      }
      way_.hash(batch_, chains);
      for (size_t lane = 0; lane < waiting_; ++lane) std::memcpy(outs_[lane], chains + lane * kBlake3Bytes, kBlake3Bytes);
    }
    waiting_ = 0;
  }

 private:
  const Way& way_;
  Batch batch_;
  uint8_t* outs_[kLanes];
  size_t waiting_ = 0;
};

size_t LeavesOf(size_t length) { return (length + kLeafBytes - 1) / kLeafBytes; }

// Those that are whole only when the queue is flushed. A single leaf is a root, and not for here.
void AddLeaves(Queue& queue, Bytes bytes, uint64_t counter, uint8_t* chains) {
  for (size_t at = 0; at < bytes.length; at += kLeafBytes, ++counter, chains += kBlake3Bytes) {
    const size_t length = std::min(kLeafBytes, bytes.length - at);
    if (length == kLeafBytes) queue.Add(bytes.data + at, counter, chains);
    else Leaf({bytes.data + at, length}, counter, false, chains);
  }
}

// Joining neighbours level by level, an odd one passed on as it is, gives the tree of the paper (§ 2.1): every left child is complete
// and as large as can be. Overwrites `chains`.
void Join(const Way& way, uint8_t* chains, size_t count, bool is_root, uint8_t* out) {
  while (count > 2) {
    const size_t pairs = count / 2;
    Queue queue(way, false);
    for (size_t pair = 0; pair < pairs; ++pair) queue.Add(chains + pair * kBlockBytes, 0, chains + pair * kBlake3Bytes);
    queue.Flush();
    if (count % 2 == 1) std::memmove(chains + pairs * kBlake3Bytes, chains + (count - 1) * kBlake3Bytes, kBlake3Bytes);
    count = pairs + count % 2;
  }
  Parent(chains, is_root, out);
}

constexpr size_t kMostLeaves = Blake3State::kSubtreeBytes / kLeafBytes;

// Of at most a subtree.
void Subtree(const Way& way, Bytes bytes, uint64_t counter, bool is_root, uint8_t* out) {
  if (bytes.length <= kLeafBytes) return Leaf(bytes, counter, is_root, out);
  uint8_t chains[kMostLeaves * kBlake3Bytes];
  Queue queue(way, true);
  AddLeaves(queue, bytes, counter, chains);
  queue.Flush();
  Join(way, chains, LeavesOf(bytes.length), is_root, out);
}

void Whole(const Way& way, Bytes bytes, uint8_t* digest) {
  if (bytes.length <= Blake3State::kSubtreeBytes) return Subtree(way, bytes, 0, true, digest);
  const auto state = std::make_unique<Blake3State>();
  state->Update(bytes);
  state->Digest(digest);
}

}  // namespace

bool Blake3State::Update(Bytes bytes) {
  constexpr uint64_t kLeaves = kSubtreeBytes / kLeafBytes;
  while (bytes.length > 0) {
    if (IsStopped()) return false;
    // A full buffer waits for what follows: the last subtree may be the root.
    if (buffered == kSubtreeBytes || (buffered == 0 && bytes.length > kSubtreeBytes)) {
      const bool is_direct = buffered == 0;
      uint8_t subtree[kBlake3Bytes];
      Subtree(Chosen(), {is_direct ? bytes.data : buffer, kSubtreeBytes}, subtrees * kLeaves, false, subtree);
      Push(subtree);
      buffered = 0;
      if (is_direct) bytes = {bytes.data + kSubtreeBytes, bytes.length - kSubtreeBytes};
      continue;
    }
    const size_t taken = std::min(bytes.length, kSubtreeBytes - buffered);
    std::memcpy(buffer + buffered, bytes.data, taken);
    buffered += static_cast<uint32_t>(taken);
    bytes = {bytes.data + taken, bytes.length - taken};
  }
  return true;
}

// Like adding one to a binary number: each carry joins two subtrees of the same size.
void Blake3State::Push(const uint8_t* subtree) {
  std::memcpy(stack[depth++], subtree, kBlake3Bytes);
  ++subtrees;
  for (uint64_t carry = subtrees; carry % 2 == 0; carry /= 2) {
    uint8_t joined[kBlake3Bytes];
    Parent(stack[depth - 2], false, joined);
    --depth;
    std::memcpy(stack[depth - 1], joined, kBlake3Bytes);
  }
}

void Blake3State::Digest(uint8_t* digest) const {
  uint8_t children[2 * kBlake3Bytes];
  uint8_t* right = children + kBlake3Bytes;
  Subtree(Chosen(), {buffer, buffered}, subtrees * (kSubtreeBytes / kLeafBytes), depth == 0, right);
  for (size_t level = depth; level > 0; --level) {
    std::memcpy(children, stack[level - 1], kBlake3Bytes);
    Parent(children, level == 1, right);
  }
  std::memcpy(digest, right, kBlake3Bytes);
}

void Blake3Each(const uint8_t* bytes, const uint32_t* lengths, size_t count, uint8_t* digests) {
  uint8_t chains[2 * kMostLeaves * kBlake3Bytes];
  for (size_t first = 0; first < count;) {
    // As many together as fit, so that leaves of several fill the lanes.
    size_t leaves = 0;
    size_t end = first;
    const uint8_t* at = bytes;
    Queue queue(Chosen(), true);
    for (; end < count && leaves + LeavesOf(lengths[end]) <= 2 * kMostLeaves; at += lengths[end], ++end) {
      if (lengths[end] <= kLeafBytes) continue;
      AddLeaves(queue, {at, lengths[end]}, 0, chains + leaves * kBlake3Bytes);
      leaves += LeavesOf(lengths[end]);
    }
    queue.Flush();
    if (end == first) {
      Blake3({bytes, lengths[first]}, digests);
      bytes += lengths[first++];
      digests += kBlake3Bytes;
    }
    for (uint8_t* chain = chains; first < end; bytes += lengths[first], ++first, digests += kBlake3Bytes) {
      if (lengths[first] <= kLeafBytes) {
        Leaf({bytes, lengths[first]}, 0, true, digests);
      } else {
        const size_t own = LeavesOf(lengths[first]);
        Join(Chosen(), chain, own, true, digests);
        chain += own * kBlake3Bytes;
      }
    }
  }
}

void Blake3(Bytes bytes, uint8_t* digest) { Whole(Chosen(), bytes, digest); }
const char* Blake3Way() { return Chosen().name; }

void Blake3Plain(Bytes bytes, uint8_t* digest) {
  if (bytes.length <= Blake3State::kSubtreeBytes) Subtree(kPlain, bytes, 0, true, digest);
}

}  // namespace dwcp
