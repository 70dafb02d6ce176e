#pragma once

#include <memory>
#include <span>

#include "outcome.h"
#include "page_batch.h"
#include "page_image.h"

namespace dwcp {

// What a frame says of pages: docs/wire/hde.md § pages. All numbers come from a peer; those of pages are ascending and within the
// region, which who read them has checked, as that references and sources are as many as the outcomes ask for.
struct PageFrame {
  size_t region;
  size_t page_bytes;
  std::vector<uint32_t> pages;
  std::vector<uint8_t> outcomes;
  std::vector<uint32_t> references;
  std::vector<uint32_t> sources;
  PackMethod method;
};

// Turns a frame back into pages. The image is only read until Commit. The twin is src/page-frame-js.ts.
class FrameReader {
 public:
  // `image` may be null.
  FrameReader(PageFrame frame, std::shared_ptr<PageImage> image);
  ~FrameReader();
  FrameReader(const FrameReader&) = delete;
  FrameReader& operator=(const FrameReader&) = delete;

  // Once: the pages one after the other, then their hashes.
  Outcome Read(Bytes payload);
  // Once, after Read gave pages, and before another frame is read against the image.
  void Commit();

 private:
  const uint8_t* Old(size_t index) const;
  Outcome CheckReferences() const;
  Outcome ReadChanged(Bytes payload);
  Outcome Unpack(Bytes payload, size_t length) const;
  Outcome ApplyDelta(Bytes payload);
  Outcome WritePages();
  void Clear();

  PageFrame frame_;
  const std::shared_ptr<PageImage> image_;
  PagePool& pool_;
  // The new content of the changed pages: to be given to the image or back to the pool.
  std::vector<uint8_t*> changed_;
  std::vector<PageHash> hashes_;
};

}  // namespace dwcp
