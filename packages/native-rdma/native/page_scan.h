#pragma once

#include <cstddef>
#include <cstdint>

namespace dwcp {

constexpr size_t kWordBytes = 8;
// Pages are multiples of this, so that a mask of their words is whole bytes.
constexpr size_t kPageStepBytes = 64;

// Anchors are looked for in blocks of at most this.
constexpr size_t kAnchorBlockBytes = 4096;
// What an anchor stands for: shorter pieces are found in too many places.
constexpr size_t kSeedWords = 4;
constexpr size_t kSeedBytes = kSeedWords * kWordBytes;

// The loops over whole memories, chosen once for this processor.
struct PageScan {
  const char* name;
  // One bit for each word that differs, lowest first, into bytes / 64 bytes of `mask`; how many there are.
  size_t (*compare)(const uint8_t* old_page, const uint8_t* new_page, size_t bytes, uint8_t* mask);
  bool (*is_zero)(const uint8_t* page, size_t bytes);
  // Which words are anchors: chosen by their content alone, about one in 64 of those that are not zero, so that content which has
  // moved is recognised by them. `places` has room for all words of the
  // block; they come in no order.
  size_t (*anchors)(const uint8_t* page, size_t bytes, uint16_t* places);
};

const PageScan& Scan();
// Without vector instructions: the only one on other processors, and what the tests compare with.
const PageScan& PlainScan();

enum class PageKind : uint8_t { kSame = 0, kWords = 1, kWhole = 2, kZero = 3 };

// For each page whether it equals the old one, is zero, or is neither (kWords). `kinds` has room for them.
void ScanPages(const uint8_t* old_pages, const uint8_t* new_pages, size_t count, size_t page_bytes, uint8_t* kinds);

// Copies past the caches what is not read again soon: without its target being read first, it took a third less time.
void StreamPage(uint8_t* to, const uint8_t* from, size_t bytes);

// Into the cache, the beginning of a page that is read soon: hardware prepares nothing across pages that lie in any order.
void PrefetchPage(const uint8_t* page, size_t bytes);

constexpr size_t kTagsPerPage = 8;

// What content that has moved is recognised by: for each page up to kTagsPerPage hashes of the words from an anchor on, never 0; the
// rest of its places in `tags` are 0.
void TagPages(const uint8_t* pages, size_t count, size_t page_bytes, uint32_t* tags);

}  // namespace dwcp
