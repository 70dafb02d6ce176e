#pragma once

#include <memory>
#include <unordered_set>
#include <vector>

#include "outcome.h"
#include "page_image.h"

namespace dwcp {

// What became of a page, as docs/wire/hde.md numbers it.
enum class PageOutcome : uint8_t { kZero = 0, kUnchanged = 1, kDuplicate = 2, kDelta = 3, kFull = 4 };

// How changed pages are packed, as docs/wire/hde.md numbers it.
enum class PackMethod : uint32_t { kRaw = 0, kLz4 = 1, kZstd = 2, kPageDelta = 3 };

struct TakeOptions {
  size_t region;
  size_t page_bytes;
  bool zeros;
  bool duplicates;
  bool delta;
  // Stops behind the page with which so many are changed.
  size_t changed_pages;
};

// The pages of one frame: taken from their owner, who may write to them again afterwards, compared with what the other side holds,
// and packed. The image follows when they are packed, for a frame refers to it as it was before. The twin is src/page-batch-js.ts.
class PageBatch {
 public:
  // Without an image every page is zero or full.
  explicit PageBatch(std::shared_ptr<PageImage> image) : image_(std::move(image)) {}
  ~PageBatch();
  PageBatch(const PageBatch&) = delete;
  PageBatch& operator=(const PageBatch&) = delete;

  // Takes some of the pages with these ascending numbers, which must lie behind those taken before. Gives 32-bit numbers: how many
  // were taken, how many of them are changed, how many sources there are so far, how many references follow; the references; then of each page taken its hash,
  // and of each its outcome.
  Outcome Take(Bytes pages, Bytes numbers, const TakeOptions& options);

  // What was taken, packed. Gives 32-bit numbers: the method that was used, which is raw where another saves nothing, the bytes it
  // took, and how many sources follow; the sources; `spare` bytes and ten for each source that nobody has written to; the packed
  // bytes; and `tail` bytes nobody has written to. The batch is empty then, and the image as the other side will have it.
  Outcome Pack(PackMethod method, int level, size_t spare, size_t tail);

  // Some of the changed pages, at even distances, and what the image has of each: zeros where that is nothing. Both have room for
  // `most`; how many there are.
  size_t Sample(size_t most, uint8_t* now, uint8_t* old) const;
  size_t changed_pages() const { return changed_.size(); }

 private:
  struct Changed {
    uint64_t page;
    uint8_t* now;
    // Null where the image has zeros or nothing, or it is not to be used.
    const uint8_t* old;
    PageHash hash;
  };
  // Written to the image without being in the payload: zeros, or a page that it has elsewhere.
  struct Known {
    uint64_t page;
    uint8_t* content;
    PageHash hash;
  };

  PageOutcome TakePage(const uint8_t* page, uint64_t number, const TakeOptions& options, const PageHash& zero_hash, PageHash& hash,
                       std::vector<uint32_t>& references);
  // For the changed pages from this one on.
  void FindSources(size_t from);
  Outcome PackPages(PackMethod& method, int level);
  void Commit();
  void Clear();

  const std::shared_ptr<PageImage> image_;
  size_t region_ = 0;
  size_t page_bytes_ = 0;
  bool uses_delta_ = false;
  std::vector<Changed> changed_;
  std::vector<Known> known_;
  // Pages of the image that content moved out of, counted through.
  std::vector<uint32_t> sources_;
  // These, and the changed pages themselves.
  std::unordered_set<uint32_t> helping_;
};

}  // namespace dwcp
