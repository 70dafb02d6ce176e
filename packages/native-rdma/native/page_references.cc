#include "page_references.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "page_scan.h"

namespace dwcp {
namespace {

// An anchor in 64 words, and twice as many slots.
constexpr size_t kBytesPerSlot = 256;
constexpr size_t kMinSlots = 256;
// Places are 32 bits wide: of a larger memory the rest is not indexed.
constexpr size_t kMaxIndexedBytes = size_t{UINT32_MAX - 1} * kWordBytes;

uint64_t HashOf(const uint8_t* place) {
  uint64_t hash = 0;
  for (size_t word = 0; word < kSeedWords; ++word) {
    uint64_t value;
    std::memcpy(&value, place + word * kWordBytes, kWordBytes);
    hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
    hash ^= hash >> 29;
  }
  return hash * 0x9e3779b97f4a7c15u;
}

bool SameWord(const uint8_t* a, const uint8_t* b) { return std::memcmp(a, b, kWordBytes) == 0; }

}  // namespace

bool PageReferences::Open(Bytes old_pages, size_t page_bytes) {
  old_ = {old_pages.data, std::min(old_pages.length, kMaxIndexedBytes)};
  page_bytes_ = page_bytes;
  const size_t slots = std::bit_ceil(std::max(kMinSlots, old_.length / kBytesPerSlot));
  slot_shift_ = 64 - std::countr_zero(slots);
  const size_t pages = old_pages.length / page_bytes;
  if (!slots_.Allocate(slots * sizeof(uint32_t)) || !used_.Allocate(pages / 8 + 1)) return false;
  std::memset(slots_.data(), 0, slots_.length());
  std::memset(used_.data(), 0, used_.length());
  return true;
}

void PageReferences::Add(size_t old_page) {
  uint16_t places[kAnchorBlockBytes / kWordBytes];
  const size_t first = old_page * page_bytes_;
  const size_t end = std::min(first + page_bytes_, old_.length);
  if (first >= end || Scan().is_zero(old_.data + first, end - first)) return;
  for (size_t at = first; at < end; at += kAnchorBlockBytes) {
    const size_t found = Scan().anchors(old_.data + at, std::min(kAnchorBlockBytes, end - at), places);
    for (size_t i = 0; i < found; ++i) {
      const size_t place = at + places[i] * kWordBytes;
      if (place + kSeedBytes <= old_.length) *Slot(old_.data + place) = static_cast<uint32_t>(place / kWordBytes + 1);
    }
  }
}

uint32_t* PageReferences::Slot(const uint8_t* place) const {
  return reinterpret_cast<uint32_t*>(slots_.data()) + (HashOf(place) >> slot_shift_);
}

void PageReferences::Seek(const uint8_t* page) {
  uint16_t places[kAnchorBlockBytes / kWordBytes];
  for (size_t block = 0; block < page_bytes_; block += kAnchorBlockBytes) {
    const size_t block_bytes = std::min(kAnchorBlockBytes, page_bytes_ - block);
    const size_t found = Scan().anchors(page + block, block_bytes, places);
    for (size_t i = 0; i < found; ++i) {
      const uint8_t* here = page + block + places[i] * kWordBytes;
      const uint8_t* end = page + page_bytes_;
      if (here + kSeedBytes > end) continue;
      const uint32_t slot = *Slot(here);
      if (slot == 0) continue;
      const uint8_t* there = old_.data + (slot - size_t{1}) * kWordBytes;
      if (std::memcmp(here, there, kSeedBytes) != 0) continue;
      // As far as it goes in both directions: a piece may lie across two old pages.
      const uint8_t* first = there;
      for (const uint8_t* mine = here; mine > page && first > old_.data && SameWord(mine - kWordBytes, first - kWordBytes); mine -= kWordBytes) {
        first -= kWordBytes;
      }
      const uint8_t* last = there;
      for (const uint8_t* mine = here; mine < end && last < old_.data + old_.length && SameWord(mine, last); mine += kWordBytes) last += kWordBytes;
      Mark(static_cast<size_t>(first - old_.data) / page_bytes_);
      Mark(static_cast<size_t>(last - old_.data - 1) / page_bytes_);
    }
  }
}

}  // namespace dwcp
