#include "page_index.h"

#include <utility>

namespace dwcp {
namespace {

// Of 8 bytes: a set is a line of the cache.
constexpr size_t kWays = 8;
constexpr size_t kMinSlots = 1024;

}  // namespace

size_t PageIndex::SetOf(uint32_t tag) const { return (tag & (slots_.size() / kWays - 1)) * kWays; }

uint32_t PageIndex::Find(uint32_t tag) const {
  if (slots_.empty()) return kNone;
  const size_t first = SetOf(tag);
  for (size_t slot = first; slot < first + kWays; ++slot) {
    if (slots_[slot].tag == tag && slots_[slot].number != kNone) return slots_[slot].number;
  }
  return kNone;
}

void PageIndex::Insert(uint32_t tag, uint32_t number, size_t entries) {
  if (slots_.empty()) Grow(kMinSlots);
  if (used_ * 2 >= slots_.size() && slots_.size() < entries * 2) Grow(slots_.size() * 2);
  Put(tag, number);
}

void PageIndex::Put(uint32_t tag, uint32_t number) {
  const size_t first = SetOf(tag);
  // Which one goes when the set is full: any choice will do that does not always hit the same slot.
  size_t chosen = first + number % kWays;
  for (size_t slot = first; slot < first + kWays; ++slot) {
    const Slot& held = slots_[slot];
    if (held.number == kNone || held.number == number || held.tag == tag) {
      chosen = slot;
      break;
    }
  }
  used_ += slots_[chosen].number == kNone;
  slots_[chosen] = {tag, number};
}

void PageIndex::Grow(size_t slots) {
  std::vector<Slot> former = std::move(slots_);
  slots_.assign(slots, {0, kNone});
  used_ = 0;
  for (const Slot& held : former) {
    if (held.number != kNone) Put(held.tag, held.number);
  }
}

}  // namespace dwcp
