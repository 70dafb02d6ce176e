#pragma once

#include "delta_copies.h"

namespace dwcp {

// How long a copy must be, that does not go on where the last one ended, to be worth its operation. What it saves depends on what its
// bytes cost as literals; what it costs grows with how far it moves, and with the literals that it takes apart: zstd describes those
// by one another, all the better the less they cost.
class CopyWorth {
 public:
  // Remembers what of the base is copied. False: no memory.
  bool Remember(size_t base_bytes) {
    remembers_ = true;
    return copied_.Reserve(base_bytes, kRememberedPieceBytes);
  }
  void Copied(size_t source, size_t length) {
    if (remembers_) copied_.Mark(source, length);
  }

  void Set(size_t least_bytes, double bytes_per_bit) {
    least_bytes_ = least_bytes;
    bytes_per_bit_ = bytes_per_bit;
  }

  // `change` is that of the shift.
  size_t MinBytes(int64_t change, size_t source) const;

 private:
  static constexpr size_t kRememberedPieceBytes = 32;

  CopiedPieces copied_;
  bool remembers_ = false;
  size_t least_bytes_ = 0;
  double bytes_per_bit_ = 0;
};

// For each bit of the distance that a copy moves, given the literals that are left without it.
double BytesPerBit(const Grown<DeltaStretch>& literals, Bytes target);

}  // namespace dwcp
