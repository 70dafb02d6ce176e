#include "delta_copies.h"

namespace dwcp {

bool CopiedPieces::Reserve(size_t base_bytes, size_t piece_bytes) {
  piece_bytes_ = piece_bytes;
  base_bytes_ = base_bytes;
  count_ = (base_bytes + piece_bytes_ - 1) / piece_bytes_;
  // One more, not copied, ends every search.
  copied_.reset(static_cast<uint8_t*>(std::calloc(count_ + 1, 1)));
  return copied_ != nullptr;
}

void CopiedPieces::Mark(size_t source, size_t length) {
  const size_t first = (source + piece_bytes_ - 1) / piece_bytes_;
  const size_t end = (source + length) / piece_bytes_;
  if (first < end) std::memset(copied_.get() + first, 1, end - first);
}

Grown<DeltaStretch> CopiedPieces::StretchesLeft() const {
  Grown<DeltaStretch> stretches;
  const uint8_t* copied = copied_.get();
  for (size_t piece = 0; piece < count_;) {
    const auto* left = static_cast<const uint8_t*>(std::memchr(copied + piece, 0, count_ + 1 - piece));
    const size_t first = left - copied;
    if (first >= count_) break;
    const auto* taken = static_cast<const uint8_t*>(std::memchr(left, 1, count_ - first));
    piece = taken != nullptr ? taken - copied : count_;
    const size_t at = first * piece_bytes_;
    stretches.Append({at, std::min(piece * piece_bytes_, base_bytes_) - at});
  }
  return stretches;
}

}  // namespace dwcp
