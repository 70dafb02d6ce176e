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

// Of the pieces that the reference is made of.
constexpr size_t kPieceBytes = 64;

// One byte a piece of the base, 1 where one copy takes all of it.
class CopiedPieces {
 public:
  // False: no memory.
  bool Reserve(size_t base_bytes, size_t piece_bytes = kPieceBytes);
  void Mark(size_t source, size_t length);
  bool Has(size_t source) const { return copied_.get()[source / piece_bytes_] != 0; }
  // What is not copied, pieces that follow one another as one.
  Grown<DeltaStretch> StretchesLeft() const;

 private:
  size_t base_bytes_ = 0;
  size_t piece_bytes_ = kPieceBytes;
  size_t count_ = 0;
  std::unique_ptr<uint8_t, Free> copied_;
};

}  // namespace dwcp
