#pragma once

#include <memory>

#include "delta_bytes.h"
#include "outcome.h"

namespace dwcp {

// Where 16 bytes were seen last, or the last few times, in chosen parts of a base, at every so many bytes of it.
class DeltaIndex {
 public:
  // Compared at once where a match may be.
  static constexpr size_t kSeedBytes = 16;

  // Rules out most content that the base does not have, by one entry.
  struct Glance {
    const uint32_t* table;
    int slot_shift;
    int ways_log;
    uint32_t tag_unit;

    bool MayKnow(uint64_t begin, uint64_t end) const {
      const uint64_t mixed = Mixed(begin, end);
      const uint32_t tag = static_cast<uint32_t>(mixed >> 16) * tag_unit;
      return ways_log > 0 || (table[mixed >> slot_shift] ^ tag) < tag_unit;
    }
  };
  Glance glance() const { return {table_.get(), 64 - table_log_, ways_log_, uint32_t{1} << place_bits_}; }

  // Makes room for `bytes` of the base in all, and remembers the last `ways` places for each content. `stride` and `ways` are powers of
  // two; the stride is made longer for a very long base. False: no memory.
  bool Reserve(Bytes base, size_t bytes, size_t stride, size_t ways);
  // Takes in one part of the base. Ends early where the job is told to stop.
  void Add(size_t from, size_t to);
  // Of the places whose first 16 bytes are those at `bytes` one where most of the next `room` are too, or SIZE_MAX.
  size_t Find(const uint8_t* bytes, size_t room) const {
    const uint64_t mixed = Mixed(bytes);
    const uint32_t* bucket = BucketOf(mixed);
    // Almost always so, where content is new: the call is saved, and the next lookups begin while this one waits for memory.
    if (ways_log_ == 0 && ((*bucket ^ TagOf(mixed)) >> place_bits_) != 0) [[likely]] return SIZE_MAX;
    return Best(bytes, room, bucket, TagOf(mixed));
  }

 private:
  // Its high bits choose the slot, those from bit 16 on tell entries apart.
  static uint64_t Mixed(uint64_t begin, uint64_t end) { return begin * 0x9e3779b97f4a7c15 ^ end * 0xc2b2ae3d27d4eb4f; }
  static uint64_t Mixed(const uint8_t* bytes) { return Mixed(Load64(bytes), Load64(bytes + 8)); }
  uint32_t TagOf(uint64_t mixed) const { return static_cast<uint32_t>(mixed >> 16) << place_bits_; }
  size_t Best(const uint8_t* bytes, size_t room, const uint32_t* bucket, uint32_t tag) const;
  uint32_t* BucketOf(uint64_t mixed) const { return table_.get() + (mixed >> (64 - table_log_) << ways_log_); }
  void Put(uint32_t* bucket, uint32_t entry);

  Bytes base_;
  int ways_log_ = 0;
  int stride_log_ = 0;
  int table_log_ = 0;
  int place_bits_ = 0;
  std::unique_ptr<uint32_t, Free> table_;
};

}  // namespace dwcp
