#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "hash.h"
#include "page_index.h"
#include "page_pool.h"

namespace dwcp {

using PageHash = std::array<uint8_t, kDigestBytes>;

struct RegionShape {
  size_t page_bytes;
  uint64_t max_pages;
  // The number of its first page when the pages of all regions are counted through.
  uint64_t first_page;
};

// Where content is, by whole pages and by pieces that may have moved. Forks share one until either changes.
struct PageIndexes {
  std::mutex building;
  std::atomic<bool> is_built = false;
  PageIndex pages;
  PageIndex pieces;

  // A candidate, or PageIndex::kNone.
  uint32_t FindPage(const PageHash& hash) const;
};

// What the other side has of a workload. Copies share pages until one of them writes: a baseline never changes while transfers build
// on it. Pages never written, and zero ones, take no memory. The twin is src/page-image-js.ts.
class PageImage {
 public:
  explicit PageImage(const std::vector<RegionShape>& shapes);
  // Shares everything with `origin`, whose regions are the first of `shapes`. The regions of `others` follow, their pages counted
  // through behind: they are looked into and never written to.
  PageImage(const PageImage& origin, const std::vector<RegionShape>& shapes, const std::vector<std::shared_ptr<PageImage>>& others = {});

  size_t region_count() const { return own_regions_; }
  const RegionShape& shape(size_t region) const { return regions_[region].shape; }
  // Whether it was ever written.
  bool Holds(size_t region, uint64_t page) const;
  // Its content, or null where it is zeros.
  const uint8_t* Content(size_t region, uint64_t page) const;
  // Of a page that has content.
  const PageHash& HashOf(size_t region, uint64_t page) const;
  // Its content where it is held, has content and is of this length; else null. `hash`, if given, is set with it.
  const uint8_t* ContentOf(uint64_t number, size_t page_bytes, const PageHash** hash = nullptr) const;
  bool HoldsNumber(uint64_t number, size_t page_bytes) const;

  // Takes over a hold of `page`, which is of this region's pool; null writes zeros.
  void Write(size_t region, uint64_t page, uint8_t* content, const PageHash& hash);

  // Of the pages as they are, built when first asked for.
  PageIndexes& Indexes();
  // Ready to be written to, for no other image sees it; null where there is none to keep.
  PageIndexes* OwnIndexes();
  // The pages were changed and the indexes were not.
  void ForgetIndexes();
  void AddToIndexes(PageIndexes& indexes, uint64_t number, const uint8_t* content, size_t page_bytes, const PageHash& hash) const;

  // How many of these pages it has, at whatever address; zeros are not counted.
  size_t CountKnown(Bytes pages, size_t page_bytes);

  // A baseline counts its pages, and what several baselines share only once: how many bytes more there are, or fewer. What it looks
  // into is let go of.
  uint64_t Keep();
  uint64_t Unkeep();
  uint64_t LengthBytes() const;

 private:
  static constexpr size_t kLeafPages = 512;

  // The pages of a stretch of a region.
  struct Leaf {
    explicit Leaf(PagePool& its_pool) : pool(its_pool) {}
    Leaf(const Leaf& origin);
    ~Leaf();

    PagePool& pool;
    std::atomic<uint32_t> keeps{0};
    std::array<uint8_t*, kLeafPages> pages{};
    std::array<PageHash, kLeafPages> hashes;
  };

  struct Region {
    RegionShape shape;
    std::vector<std::shared_ptr<Leaf>> leaves;
    // One bit a page.
    std::vector<uint64_t> held;
  };

  struct Place {
    size_t region;
    uint64_t page;
  };

  bool Locate(uint64_t number, size_t page_bytes, Place& place) const;
  void BuildIndexes(PageIndexes& indexes) const;
  uint64_t OverheadBytes() const;

  std::span<const Region> OwnRegions() const { return {regions_.data(), own_regions_}; }
  void ForgetOthers();

  std::vector<Region> regions_;
  size_t own_regions_ = 0;
  // Bounds the indexes.
  size_t content_pages_ = 0;
  // Of these, those of others.
  size_t others_content_pages_ = 0;
  std::shared_ptr<PageIndexes> indexes_;
};

}  // namespace dwcp
