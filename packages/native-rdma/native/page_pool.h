#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

namespace dwcp {

// Pages of one length that images share: each is counted, and goes back when nobody holds it. They live in slabs of at least 2 MiB,
// which the kernel can back by huge pages: memory that is touched a page at a time costs more than what is done with it.
class PagePool {
 public:
  // Lengths are powers of two from 64 bytes to 2 MiB. Never destroyed: jobs may outlive the environment that began them.
  static PagePool& For(size_t page_bytes);

  explicit PagePool(size_t page_bytes);

  // A page held once, with any content; null when there is no memory.
  uint8_t* Take();
  void Share(uint8_t* page) { RefsOf(page).fetch_add(1, std::memory_order_relaxed); }
  void Drop(uint8_t* page);

  // Counts the baselines that a page is part of. True where it is the first, or was the last.
  bool Keep(uint8_t* page) { return KeepsOf(page).fetch_add(1, std::memory_order_relaxed) == 0; }
  bool Unkeep(uint8_t* page) { return KeepsOf(page).fetch_sub(1, std::memory_order_relaxed) == 1; }

  size_t page_bytes() const { return page_bytes_; }
  // In slabs, used or not.
  size_t slab_count();

 private:
  using Count = std::atomic<uint32_t>;
  // At the start of its slab, before the counts of its pages.
  struct Slab {
    uint32_t live = 0;
    // Pages from here on were never used.
    uint32_t fresh = 0;
    // Those that were and came back: each begins with the address of the next.
    uint8_t* free = nullptr;
    bool is_open = true;
  };

  Slab* SlabOf(const uint8_t* page) const { return reinterpret_cast<Slab*>(reinterpret_cast<uintptr_t>(page) & ~(slab_bytes_ - 1)); }
  size_t PlaceOf(const uint8_t* page) const {
    return (static_cast<size_t>(page - reinterpret_cast<const uint8_t*>(SlabOf(page))) - first_page_) / page_bytes_;
  }
  Count* CountsOf(Slab* slab) const { return reinterpret_cast<Count*>(slab + 1); }
  Count& RefsOf(const uint8_t* page) const { return CountsOf(SlabOf(page))[2 * PlaceOf(page)]; }
  Count& KeepsOf(const uint8_t* page) const { return CountsOf(SlabOf(page))[2 * PlaceOf(page) + 1]; }
  Slab* OpenSlab();

  const size_t page_bytes_;
  const size_t slab_bytes_;
  size_t pages_per_slab_;
  // Offset in a slab.
  size_t first_page_;
  std::mutex mutex_;
  // Slabs with room.
  std::vector<Slab*> open_;
  size_t slabs_ = 0;
  // Of the open ones, those without a page in use.
  size_t spare_ = 0;
};

}  // namespace dwcp
