#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace dwcp {

// Where a page with this content was last seen: a set-associative table from 32 bits of a hash to a page's number. The twin is
// src/page-index.ts. Lossy on purpose: entries go stale and are evicted, whoever asks compares bytes, so that a wrong answer costs a
// comparison and never a wrong page.
class PageIndex {
 public:
  static constexpr uint32_t kNone = 0xffffffff;

  // A candidate, or kNone.
  uint32_t Find(uint32_t tag) const;
  // `entries`: in use now. Stale ones shall not make the table larger than these need.
  void Insert(uint32_t tag, uint32_t number, size_t entries);
  size_t length_bytes() const { return slots_.size() * sizeof(Slot); }

 private:
  struct Slot {
    uint32_t tag;
    uint32_t number;
  };

  void Grow(size_t slots);
  void Put(uint32_t tag, uint32_t number);
  size_t SetOf(uint32_t tag) const;

  std::vector<Slot> slots_;
  size_t used_ = 0;
};

}  // namespace dwcp
