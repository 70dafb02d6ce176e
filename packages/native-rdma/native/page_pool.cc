#include "page_pool.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace dwcp {
namespace {

constexpr size_t kMinSlabBytes = 2 << 20;
// A slab of large pages has this many, so that its head does not take half of it.
constexpr size_t kMinPagesPerSlab = 16;
// Slabs without a page in use that stay for the next frame: to have them zeroed again costs as much as to fill them.
constexpr size_t kSpareBytes = 32 << 20;
constexpr int kMinPageLog2 = 6;
constexpr int kMaxPageLog2 = 21;

}  // namespace

PagePool& PagePool::For(size_t page_bytes) {
  static std::vector<PagePool*>& pools = *[] {
    auto* made = new std::vector<PagePool*>();
    for (int log2 = kMinPageLog2; log2 <= kMaxPageLog2; ++log2) made->push_back(new PagePool(size_t{1} << log2));
    return made;
  }();
  return *pools[std::countr_zero(page_bytes) - kMinPageLog2];
}

PagePool::PagePool(size_t page_bytes) : page_bytes_(page_bytes), slab_bytes_(std::max(kMinSlabBytes, kMinPagesPerSlab * page_bytes)) {
  const size_t most = slab_bytes_ / page_bytes_;
  const size_t head_bytes = sizeof(Slab) + most * 2 * sizeof(Count);
  first_page_ = (head_bytes + page_bytes_ - 1) / page_bytes_ * page_bytes_;
  pages_per_slab_ = most - first_page_ / page_bytes_;
}

PagePool::Slab* PagePool::OpenSlab() {
  void* memory = std::aligned_alloc(slab_bytes_, slab_bytes_);
  if (memory == nullptr) return nullptr;
#if defined(__linux__)
  madvise(memory, slab_bytes_, MADV_HUGEPAGE);
#endif
  auto* slab = new (memory) Slab();
  for (size_t place = 0; place < 2 * pages_per_slab_; ++place) new (CountsOf(slab) + place) Count(0);
  open_.push_back(slab);
  slabs_ += 1;
  spare_ += 1;
  return slab;
}

uint8_t* PagePool::Take() {
  const std::lock_guard lock(mutex_);
  Slab* slab = open_.empty() ? OpenSlab() : open_.back();
  if (slab == nullptr) return nullptr;
  uint8_t* page = slab->free;
  if (page != nullptr) {
    std::memcpy(&slab->free, page, sizeof(slab->free));
    // The next one says where the one after it is: whoever takes it would wait for that.
    if (slab->free != nullptr) __builtin_prefetch(slab->free, 1);
  } else {
    page = reinterpret_cast<uint8_t*>(slab) + first_page_ + slab->fresh++ * page_bytes_;
  }
  spare_ -= slab->live == 0;
  RefsOf(page).store(1, std::memory_order_relaxed);
  if (++slab->live == pages_per_slab_) {
    slab->is_open = false;
    open_.pop_back();
  }
  return page;
}

void PagePool::Drop(uint8_t* page) {
  if (RefsOf(page).fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  const std::lock_guard lock(mutex_);
  Slab* slab = SlabOf(page);
  std::memcpy(page, &slab->free, sizeof(slab->free));
  slab->free = page;
  slab->live -= 1;
  if (!slab->is_open) {
    slab->is_open = true;
    open_.push_back(slab);
  }
  if (slab->live > 0) return;
  if (spare_ < std::max<size_t>(1, kSpareBytes / slab_bytes_)) {
    spare_ += 1;
    return;
  }
  open_.erase(std::find(open_.begin(), open_.end(), slab));
  slabs_ -= 1;
  std::free(slab);
}

size_t PagePool::slab_count() {
  const std::lock_guard lock(mutex_);
  return slabs_;
}

}  // namespace dwcp
