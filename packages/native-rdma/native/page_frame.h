#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "outcome.h"
#include "page_batch.h"
#include "page_delta.h"
#include "page_image.h"
#include "scratch.h"

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
  // Every byte of the frame before the payload.
  std::vector<uint8_t> head;
  // Must be the hash of `head` and the hashes of the pages, where it is given.
  std::optional<PageHash> check;
};

// Turns frames back into pages, one after the other, and brings the image up to date. The twin is src/page-frame-js.ts.
class FrameReader {
 public:
  // `image` may be null.
  explicit FrameReader(std::shared_ptr<PageImage> image) : image_(std::move(image)) {}
  ~FrameReader() { Clear(); }
  FrameReader(const FrameReader&) = delete;
  FrameReader& operator=(const FrameReader&) = delete;

  // The pages one after the other; with `memory` nothing is given, and each page is written there at its number times its length. Neither
  // the memory nor the image is touched before the check holds.
  Outcome Read(const PageFrame& frame, Bytes payload, uint8_t* memory);

 private:
  const uint8_t* Old(const PageFrame& frame, size_t index) const;
  Outcome CheckReferences(const PageFrame& frame) const;
  Outcome OpenPayload(const PageFrame& frame, Bytes payload);
  Outcome OpenPlain(const PageFrame& frame, Bytes payload, size_t length);
  Outcome MakePages(const PageFrame& frame, uint8_t* out);
  void Commit(const PageFrame& frame);
  void Clear();

  const std::shared_ptr<PageImage> image_;
  Scratch scratch_;
  PagePool* pool_ = nullptr;
  // The new content of the changed pages: to be given to the image or back to the pool.
  std::vector<uint8_t*> changed_;
  // Of each page listed; null: zeros.
  std::vector<const uint8_t*> contents_;
  // The head, and behind it the hashes.
  std::vector<uint8_t> checked_;
  // What a page delta builds on.
  std::vector<const uint8_t*> old_;
  // One of these gives the changed pages.
  std::optional<PageDeltaReader> delta_;
  const uint8_t* plain_ = nullptr;
};

}  // namespace dwcp
