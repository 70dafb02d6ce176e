#pragma once

#include <memory>

#include "outcome.h"

namespace dwcp {

// Where 16 bytes were seen last, or the last few times, in chosen parts of a base, at every so many bytes of it.
class DeltaIndex {
 public:
  // Compared at once where a match may be.
  static constexpr size_t kSeedBytes = 16;

  // Makes room for `bytes` of the base in all, and remembers the last `ways` places for each content. `stride` and `ways` are powers of
  // two; the stride is made longer for a very long base. False: no memory.
  bool Reserve(Bytes base, size_t bytes, size_t stride, size_t ways);
  // Takes in one part of the base. Ends early where the job is told to stop.
  void Add(size_t from, size_t to);
  // Of the places whose first 16 bytes are those at `bytes` one where most of the next `room` are too, or SIZE_MAX.
  size_t Find(const uint8_t* bytes, size_t room) const;

 private:
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
