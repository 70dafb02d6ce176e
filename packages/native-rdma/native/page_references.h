#pragma once

#include <span>

#include "outcome.h"
#include "page_format.h"
#include "page_scan.h"

namespace dwcp {

// Finds pages of the old memory that hold what moved into changed pages: by words that content alone chooses, so that it is found
// at whatever distance it moved, as long as that is a multiple of 8 bytes.
class PageReferences {
 public:
  // Makes room for an index of `old_pages`. False when there is no memory.
  bool Open(Pages old_pages, size_t page_bytes);

  // Indexes one old page: best while it is in the cache anyway.
  void Add(size_t old_page);

  // Marks the old pages that hold pieces of `page`.
  void Seek(const uint8_t* page);

  bool Uses(size_t old_page) const { return (used_.data()[old_page / 8] >> (old_page % 8) & 1) != 0; }

 private:
  const uint8_t* LastWord(size_t old_page) const { return old_[old_page] + page_bytes_ - kWordBytes; }
  uint32_t* Slot(const uint8_t* seed) const;
  void Mark(size_t old_page) { used_.data()[old_page / 8] |= static_cast<uint8_t>(1u << (old_page % 8)); }

  Pages old_;
  size_t page_bytes_ = 0;
  size_t page_words_ = 0;
  // Of all old pages that are indexed.
  size_t words_ = 0;
  int slot_shift_ = 0;
  // Word places in the old memory plus one, by hash of the words from there on.
  Buffer slots_;
  // One bit for each old page.
  Buffer used_;
};

}  // namespace dwcp
