#pragma once

#include <memory>

#include "outcome.h"

namespace dwcp {

// Where 16 bytes were last seen in chosen parts of a base, at every so many bytes of it.
class DeltaIndex {
 public:
  // Compared at once where a match may be.
  static constexpr size_t kSeedBytes = 16;

  // Makes room for `bytes` of the base in all. `stride` is a power of two, and is made longer for a very long base. False: no memory.
  bool Reserve(Bytes base, size_t bytes, size_t stride);
  // Takes in one part of the base. Ends early where the job is told to stop.
  void Add(size_t from, size_t to);
  // A place whose first 16 bytes are those at `bytes`, or SIZE_MAX.
  size_t Find(const uint8_t* bytes) const;

 private:
  Bytes base_;
  int stride_log_ = 0;
  int table_log_ = 0;
  int place_bits_ = 0;
  std::unique_ptr<uint32_t, Free> table_;
};

}  // namespace dwcp
