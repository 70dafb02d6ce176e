#pragma once

#include <array>

#include "page_format.h"
#include "page_scan.h"
#include "scratch.h"
#include "word_classes.h"

namespace dwcp {

// Empty when page deltas can be made and applied here.
const std::string& PageDeltaProblem();

// `new_pages` described by `old_pages`: the old content of each of them, in order, and behind that any further pages that the decoder
// holds too. docs/wire/hde.md has the format. `page_bytes` is a multiple of 64.
Outcome EncodePageDelta(Pages new_pages, Pages old_pages, size_t page_bytes, int level);

// What an encoding says of the first `count` of some old pages, read apart: each page is then written once, when its turn comes. It borrows
// the encoding and the old pages, and of the scratch what Open takes.
class PageDeltaReader {
 public:
  explicit PageDeltaReader(Scratch& scratch) : scratch_(scratch) {}

  // Corrupt encodings are refused here: nothing can fail from then on.
  Outcome Open(Bytes encoding, Pages old_pages, size_t count, size_t page_bytes);
  // Writes the next page of `count` to `to`, which may be where its old content is.
  void Next(uint8_t* to);
  PageKind Kind(size_t page) const { return static_cast<PageKind>(kinds_[page / 4] >> (page % 4 * 2) & 3); }

 private:
  Outcome ReadNamed(Bytes& rest);
  Outcome ReadStream(Bytes& rest, size_t length, const uint8_t*& stream);
  Outcome ReadStreamTo(Bytes& rest, size_t length, Bytes prefix, uint8_t* target);
  Outcome ReadWords(Bytes& rest);
  size_t CountMarks() const;
  Outcome ReadContent(Bytes& rest);
  void WriteWords(uint8_t* page);

  Scratch& scratch_;
  Pages old_;
  size_t count_ = 0;
  size_t page_bytes_ = 0;
  size_t few_ = 0;
  size_t whole_ = 0;
  size_t words_ = 0;
  // One bit for each old page that the encoding names.
  const uint8_t* named_ = nullptr;
  size_t named_count_ = 0;

  // As far as Next has come.
  size_t page_ = 0;
  const uint8_t* kinds_ = nullptr;
  const uint8_t* summary_ = nullptr;
  const uint8_t* mark_ = nullptr;
  const uint8_t* content_ = nullptr;
  const uint8_t* class_ = nullptr;
  std::array<const uint8_t*, kWordClasses> words_of_{};
};

// Turns the first `count` of pages that lie one after the other into the new ones, in place, and gives what became of each: one byte a
// page, a PageKind. Corrupt encodings are refused before a page is touched. The others are only read.
Outcome ApplyPageDelta(Bytes encoding, uint8_t* pages, size_t length, size_t count, size_t page_bytes);

// The same for pages that lie one after the other.
Outcome EncodePageDelta(Bytes new_pages, Bytes old_pages, size_t page_bytes, int level);

}  // namespace dwcp
