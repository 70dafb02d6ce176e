#include "delta_index.h"

#include <algorithm>
#include <array>
#include <bit>

#include "delta_bytes.h"
#include "stop.h"

namespace dwcp {
namespace {

constexpr int kMinTableLog = 12;
constexpr int kMaxTableLog = 24;
// Leaves 4 bits of an entry to tell places apart.
constexpr int kMaxPlaceBits = 28;
// So many entries wait while the lines of the table that they go to are fetched.
constexpr size_t kWaiting = 16;
// Between two looks at whether to stop.
constexpr size_t kStepBytes = 4 << 20;
constexpr size_t kRunBytes = 64;

}  // namespace

bool DeltaIndex::Reserve(Bytes base, size_t bytes, size_t stride, size_t ways) {
  base_ = base;
  stride_log_ = std::max(std::countr_zero(stride), static_cast<int>(std::bit_width(base.length)) - kMaxPlaceBits + 1);
  ways_log_ = std::countr_zero(ways);
  place_bits_ = std::bit_width((base.length >> stride_log_) + 1);
  table_log_ = std::clamp<int>(std::bit_width((bytes >> stride_log_) + 1) - (ways_log_ > 0 ? ways_log_ - 1 : 0), kMinTableLog, kMaxTableLog);
  table_.reset(static_cast<uint32_t*>(std::calloc(ways << table_log_, sizeof(uint32_t))));
  return table_ != nullptr;
}

// An entry is a place, counted from 1, below a tag: most places that differ are told apart without a look at the base.
void DeltaIndex::Add(size_t from, size_t to) {
  const size_t stride = size_t{1} << stride_log_;
  const size_t end = std::min(to, base_.length < kSeedBytes ? 0 : base_.length - kSeedBytes + 1);
  std::array<uint32_t*, kWaiting> slots;
  std::array<uint32_t, kWaiting> entries;
  size_t count = 0;
  size_t looked = from;
  for (size_t at = (from + stride - 1) >> stride_log_ << stride_log_; at < end; at += stride) {
    if (at - looked >= kStepBytes) {
      if (IsStopped()) return;
      looked = at;
    }
    const uint8_t* here = base_.data + at;
    // Inside a repetition every place is like the one before: the first stands for all.
    if (at >= from + kRunBytes && Load64(here) == Load64(here - 8) && Load64(here + 8) == Load64(here)) continue;
    const uint64_t mixed = Mixed(here);
    const size_t waiting = count++ % kWaiting;
    if (count > kWaiting) Put(slots[waiting], entries[waiting]);
    slots[waiting] = BucketOf(mixed);
    entries[waiting] = TagOf(mixed) | static_cast<uint32_t>((at >> stride_log_) + 1);
    __builtin_prefetch(slots[waiting], 1);
  }
  for (size_t k = count - std::min(count, kWaiting); k < count; ++k) Put(slots[k % kWaiting], entries[k % kWaiting]);
}

// The last one stands first.
void DeltaIndex::Put(uint32_t* bucket, uint32_t entry) {
  for (size_t way = (size_t{1} << ways_log_) - 1; way > 0; --way) bucket[way] = bucket[way - 1];
  bucket[0] = entry;
}

size_t DeltaIndex::Best(const uint8_t* bytes, size_t room, const uint32_t* bucket, uint32_t tag) const {
  const uint32_t places = (uint32_t{1} << place_bits_) - 1;
  size_t best = SIZE_MAX;
  size_t best_length = 0;
  for (size_t way = 0; way < size_t{1} << ways_log_; ++way) {
    // Almost always foreseen, so that the next lookups begin while this one waits for memory: a look at whether the entry is empty
    // first, which is a toss-up, made 54 ms of 41 where the typescript release was matched.
    if ((bucket[way] & ~places) != tag) [[likely]] continue;
    if (bucket[way] == 0) continue;
    const size_t at = static_cast<size_t>((bucket[way] & places) - 1) << stride_log_;
    const uint8_t* there = base_.data + at;
    if (Load64(bytes) != Load64(there) || Load64(bytes + 8) != Load64(there + 8)) continue;
    if (ways_log_ == 0) return at;
    const size_t length = EqualBytes(bytes, there, std::min(room, base_.length - at));
    if (length > best_length) best = at, best_length = length;
  }
  return best;
}

}  // namespace dwcp
