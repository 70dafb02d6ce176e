#pragma once

#include "grown.h"

namespace dwcp {

// The target from `at` on is the base from `source` on, but for the stretches where it is only similar.
struct DeltaCopy {
  size_t at;
  size_t source;
  size_t length;
  // Of the stretches of the matcher.
  size_t first_similar;
  size_t similar_count;
};

struct DeltaStretch {
  size_t at;
  size_t length;
};

// The base is looked at in pieces of this many bytes: a piece counts as copied when one copy takes all of it.
constexpr size_t kPieceBytes = 64;

// One byte a piece of the base, 1 where it is copied.
class CopiedPieces {
 public:
  // False: no memory.
  bool Reserve(size_t base_bytes);
  void Mark(size_t source, size_t length);
  // What is not copied, pieces that follow one another as one.
  Grown<DeltaStretch> StretchesLeft() const;

 private:
  size_t base_bytes_ = 0;
  size_t count_ = 0;
  std::unique_ptr<uint8_t, Free> copied_;
};

}  // namespace dwcp
