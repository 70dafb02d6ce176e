#include "page_image.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <iterator>

#include "page_scan.h"

namespace dwcp {
namespace {

// Guests have about two tags for each page, and zero pages have none.
constexpr size_t kTagsPerIndexedPage = 2;
// Of the indexes, which may be built after it is asked for: two slots for each page and each tag.
constexpr size_t kIndexBytesPerPage = 2 * (1 + kTagsPerIndexedPage) * 8;

// Whether nobody else holds what `shared` holds. What others did with it before they let go is visible then.
template <class Held>
bool IsSole(const std::shared_ptr<Held>& shared) {
  if (shared.use_count() != 1) return false;
  std::atomic_thread_fence(std::memory_order_acquire);
  return true;
}

uint32_t TagOf(const PageHash& hash) {
  return static_cast<uint32_t>(hash[0]) << 24 | static_cast<uint32_t>(hash[1]) << 16 | static_cast<uint32_t>(hash[2]) << 8 | hash[3];
}

}  // namespace

uint32_t PageIndexes::FindPage(const PageHash& hash) const { return pages.Find(TagOf(hash)); }

PageImage::Leaf::Leaf(const Leaf& origin) : pool(origin.pool), pages(origin.pages), hashes(origin.hashes) {
  for (uint8_t* page : pages) {
    if (page != nullptr) pool.Share(page);
  }
}

PageImage::Leaf::~Leaf() {
  for (uint8_t* page : pages) {
    if (page == nullptr) continue;
    // A baseline that was forgotten, not given back.
    if (keeps > 0) pool.Unkeep(page);
    pool.Drop(page);
  }
}

PageImage::PageImage(const std::vector<RegionShape>& shapes) : indexes_(std::make_shared<PageIndexes>()) {
  for (const RegionShape& shape : shapes) regions_.push_back({shape, {}, {}});
  own_regions_ = regions_.size();
}

PageImage::PageImage(const PageImage& origin, const std::vector<RegionShape>& shapes, const std::vector<std::shared_ptr<PageImage>>& others)
    : regions_(origin.regions_),
      own_regions_(origin.own_regions_),
      content_pages_(origin.content_pages_),
      others_content_pages_(origin.others_content_pages_),
      indexes_(origin.indexes_) {
  ForgetOthers();
  uint64_t end = 0;
  for (size_t region = 0; region < shapes.size(); ++region) {
    if (region < regions_.size()) {
      regions_[region].shape = shapes[region];
    } else {
      regions_.push_back({shapes[region], {}, {}});
    }
    end = shapes[region].first_page + shapes[region].max_pages;
  }
  own_regions_ = regions_.size();
  for (const auto& other : others) {
    for (size_t region = 0; region < other->own_regions_; ++region) {
      Region seen = other->regions_[region];
      seen.shape.first_page = end;
      end += seen.shape.max_pages;
      regions_.push_back(std::move(seen));
    }
    others_content_pages_ += other->content_pages_ - other->others_content_pages_;
  }
  content_pages_ += others_content_pages_;
  if (!others.empty()) indexes_ = std::make_shared<PageIndexes>();
}

void PageImage::ForgetOthers() {
  if (regions_.size() == own_regions_) return;
  regions_.resize(own_regions_);
  content_pages_ -= others_content_pages_;
  others_content_pages_ = 0;
  indexes_ = std::make_shared<PageIndexes>();
}

bool PageImage::Holds(size_t region, uint64_t page) const {
  const std::vector<uint64_t>& held = regions_[region].held;
  return page / 64 < held.size() && (held[page / 64] >> (page % 64) & 1) != 0;
}

const uint8_t* PageImage::Content(size_t region, uint64_t page) const {
  const auto& leaves = regions_[region].leaves;
  const uint64_t leaf = page / kLeafPages;
  return leaf < leaves.size() && leaves[leaf] != nullptr ? leaves[leaf]->pages[page % kLeafPages] : nullptr;
}

const PageHash& PageImage::HashOf(size_t region, uint64_t page) const {
  return regions_[region].leaves[page / kLeafPages]->hashes[page % kLeafPages];
}

// Regions may have no pages; the last one that begins there or before is the only one that may have it.
bool PageImage::Locate(uint64_t number, size_t page_bytes, Place& place) const {
  const auto behind = std::upper_bound(regions_.begin(), regions_.end(), number,
                                       [](uint64_t wanted, const Region& region) { return wanted < region.shape.first_page; });
  if (behind == regions_.begin()) return false;
  const RegionShape& shape = std::prev(behind)->shape;
  place = {static_cast<size_t>(behind - regions_.begin()) - 1, number - shape.first_page};
  return place.page < shape.max_pages && shape.page_bytes == page_bytes;
}

const uint8_t* PageImage::ContentOf(uint64_t number, size_t page_bytes, const PageHash** hash) const {
  Place place;
  if (!Locate(number, page_bytes, place)) return nullptr;
  const uint8_t* content = Content(place.region, place.page);
  if (content != nullptr && hash != nullptr) *hash = &HashOf(place.region, place.page);
  return content;
}

bool PageImage::HoldsNumber(uint64_t number, size_t page_bytes) const {
  Place place;
  return Locate(number, page_bytes, place) && Holds(place.region, place.page);
}

void PageImage::Write(size_t region, uint64_t page, uint8_t* content, const PageHash& hash) {
  Region& target = regions_[region];
  if (page / 64 >= target.held.size()) target.held.resize(page / 64 + 1);
  target.held[page / 64] |= uint64_t{1} << (page % 64);

  const uint64_t at = page / kLeafPages;
  const bool is_there = at < target.leaves.size() && target.leaves[at] != nullptr;
  if (!is_there && content == nullptr) return;
  if (at >= target.leaves.size()) target.leaves.resize(at + 1);
  std::shared_ptr<Leaf>& leaf = target.leaves[at];
  if (!is_there) {
    leaf = std::make_shared<Leaf>(PagePool::For(target.shape.page_bytes));
  } else if (!IsSole(leaf)) {
    leaf = std::make_shared<Leaf>(*leaf);
  }
  uint8_t*& slot = leaf->pages[page % kLeafPages];
  content_pages_ += (content != nullptr) - (slot != nullptr);
  if (slot != nullptr) leaf->pool.Drop(slot);
  slot = content;
  leaf->hashes[page % kLeafPages] = hash;
}

PageIndexes& PageImage::Indexes() {
  const std::lock_guard lock(indexes_->building);
  if (!indexes_->is_built) BuildIndexes(*indexes_);
  indexes_->is_built = true;
  return *indexes_;
}

void PageImage::BuildIndexes(PageIndexes& indexes) const {
  for (size_t region = 0; region < regions_.size(); ++region) {
    const Region& source = regions_[region];
    for (size_t leaf = 0; leaf < source.leaves.size(); ++leaf) {
      if (source.leaves[leaf] == nullptr) continue;
      for (size_t place = 0; place < kLeafPages; ++place) {
        const uint8_t* content = source.leaves[leaf]->pages[place];
        if (content == nullptr) continue;
        const uint64_t number = source.shape.first_page + leaf * kLeafPages + place;
        AddToIndexes(indexes, number, content, source.shape.page_bytes, source.leaves[leaf]->hashes[place]);
      }
    }
  }
}

void PageImage::AddToIndexes(PageIndexes& indexes, uint64_t number, const uint8_t* content, size_t page_bytes, const PageHash& hash) const {
  indexes.pages.Insert(TagOf(hash), static_cast<uint32_t>(number), content_pages_);
  uint32_t tags[kTagsPerPage];
  TagPages(content, 1, page_bytes, tags);
  for (size_t tag = 0; tag < kTagsPerPage && tags[tag] != 0; ++tag) {
    indexes.pieces.Insert(tags[tag], static_cast<uint32_t>(number), content_pages_ * kTagsPerIndexedPage);
  }
}

PageIndexes* PageImage::OwnIndexes() {
  if (!indexes_->is_built) return nullptr;
  if (!IsSole(indexes_)) {
    auto own = std::make_shared<PageIndexes>();
    own->is_built = true;
    own->pages = indexes_->pages;
    own->pieces = indexes_->pieces;
    indexes_ = std::move(own);
  }
  return indexes_.get();
}

void PageImage::ForgetIndexes() {
  if (indexes_->is_built || !IsSole(indexes_)) indexes_ = std::make_shared<PageIndexes>();
}

size_t PageImage::CountKnown(Bytes pages, size_t page_bytes) {
  const PageIndexes& indexes = Indexes();
  size_t known = 0;
  for (size_t at = 0; at + page_bytes <= pages.length; at += page_bytes) {
    if (Scan().is_zero(pages.data + at, page_bytes)) continue;
    PageHash hash;
    Hash({pages.data + at, page_bytes}, hash.data());
    const uint32_t candidate = indexes.FindPage(hash);
    const uint8_t* content = candidate == PageIndex::kNone ? nullptr : ContentOf(candidate, page_bytes);
    known += content != nullptr && std::memcmp(pages.data + at, content, page_bytes) == 0;
  }
  return known;
}

uint64_t PageImage::OverheadBytes() const {
  uint64_t bytes = (content_pages_ - others_content_pages_) * kIndexBytesPerPage;
  for (const Region& region : OwnRegions()) bytes += region.held.size() * sizeof(uint64_t) + region.leaves.size() * sizeof(void*);
  return bytes;
}

uint64_t PageImage::LengthBytes() const {
  uint64_t bytes = OverheadBytes();
  for (const Region& region : OwnRegions()) {
    for (const auto& leaf : region.leaves) {
      if (leaf == nullptr) continue;
      const auto pages = static_cast<size_t>(std::count_if(leaf->pages.begin(), leaf->pages.end(), [](uint8_t* page) { return page != nullptr; }));
      bytes += sizeof(Leaf) + pages * region.shape.page_bytes;
    }
  }
  return bytes;
}

uint64_t PageImage::Keep() {
  ForgetOthers();
  uint64_t bytes = OverheadBytes();
  for (const Region& region : regions_) {
    for (const auto& leaf : region.leaves) {
      if (leaf == nullptr || leaf->keeps++ > 0) continue;
      bytes += sizeof(Leaf);
      for (uint8_t* page : leaf->pages) {
        if (page != nullptr && leaf->pool.Keep(page)) bytes += region.shape.page_bytes;
      }
    }
  }
  return bytes;
}

uint64_t PageImage::Unkeep() {
  uint64_t bytes = OverheadBytes();
  for (const Region& region : regions_) {
    for (const auto& leaf : region.leaves) {
      if (leaf == nullptr || --leaf->keeps > 0) continue;
      bytes += sizeof(Leaf);
      for (uint8_t* page : leaf->pages) {
        if (page != nullptr && leaf->pool.Unkeep(page)) bytes += region.shape.page_bytes;
      }
    }
  }
  return bytes;
}

}  // namespace dwcp
