#include "page_references.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "page_scan.h"

namespace dwcp {
namespace {

// An anchor in 64 words, and twice as many slots.
constexpr size_t kWordsPerSlot = 32;
constexpr size_t kMinSlots = 256;
// Places are 32 bits wide: of a larger memory the rest is not indexed.
constexpr size_t kMaxIndexedWords = UINT32_MAX - 1;

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

bool PageReferences::Open(Pages old_pages, size_t page_bytes) {
  old_ = old_pages;
  page_bytes_ = page_bytes;
  page_words_ = page_bytes / kWordBytes;
  words_ = std::min(old_pages.size(), kMaxIndexedWords / page_words_) * page_words_;
  const size_t slots = std::bit_ceil(std::max(kMinSlots, words_ / kWordsPerSlot));
  slot_shift_ = 64 - std::countr_zero(slots);
  if (!slots_.Allocate(slots * sizeof(uint32_t)) || !used_.Allocate(old_pages.size() / 8 + 1)) return false;
  std::memset(slots_.data(), 0, slots_.length());
  std::memset(used_.data(), 0, used_.length());
  return true;
}

void PageReferences::Add(size_t old_page) {
  uint16_t places[kAnchorBlockBytes / kWordBytes];
  const size_t first = old_page * page_words_;
  if (first >= words_ || Scan().is_zero(old_[old_page], page_bytes_)) return;
  for (size_t block = 0; block < page_bytes_; block += kAnchorBlockBytes) {
    const uint8_t* content = old_[old_page] + block;
    const size_t found = Scan().anchors(content, std::min(kAnchorBlockBytes, page_bytes_ - block), places);
    for (size_t i = 0; i < found; ++i) {
      const size_t at = block / kWordBytes + places[i];
      if (at + kSeedWords <= page_words_) *Slot(content + places[i] * kWordBytes) = static_cast<uint32_t>(first + at + 1);
    }
  }
}

uint32_t* PageReferences::Slot(const uint8_t* seed) const {
  return reinterpret_cast<uint32_t*>(slots_.data()) + (HashOf(seed) >> slot_shift_);
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
      const size_t old_page = (slot - size_t{1}) / page_words_;
      const uint8_t* first = old_[old_page];
      const uint8_t* there = first + (slot - size_t{1}) % page_words_ * kWordBytes;
      if (std::memcmp(here, there, kSeedBytes) != 0) continue;
      Mark(old_page);
      // A piece may lie across two old pages: as far as it goes, and one word into the next.
      const uint8_t* mine = here;
      const uint8_t* theirs = there;
      for (; mine > page && theirs > first && SameWord(mine - kWordBytes, theirs - kWordBytes); theirs -= kWordBytes) mine -= kWordBytes;
      if (mine > page && theirs == first && old_page > 0 && SameWord(mine - kWordBytes, LastWord(old_page - 1))) Mark(old_page - 1);
      mine = here + kSeedBytes;
      theirs = there + kSeedBytes;
      const uint8_t* last = first + page_bytes_;
      for (; mine < end && theirs < last && SameWord(mine, theirs); theirs += kWordBytes) mine += kWordBytes;
      if (mine < end && theirs == last && old_page + 1 < old_.size() && SameWord(mine, old_[old_page + 1])) Mark(old_page + 1);
    }
  }
}

}  // namespace dwcp
