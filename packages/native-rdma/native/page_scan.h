#pragma once

#include <cstddef>
#include <cstdint>

namespace dwcp {

constexpr size_t kWordBytes = 8;
// Pages are multiples of this, so that a mask of their words is whole bytes.
constexpr size_t kPageStepBytes = 64;

// The loops over whole memories, chosen once for this processor.
struct PageScan {
  const char* name;
  // One bit for each word that differs, lowest first, into bytes / 64 bytes of `mask`; how many there are.
  size_t (*compare)(const uint8_t* old_page, const uint8_t* new_page, size_t bytes, uint8_t* mask);
  bool (*is_zero)(const uint8_t* page, size_t bytes);
  // Which words are anchors: chosen by their content alone, about one in 64 of those that are not zero, so that content which has
  // moved is recognised by them. `places` has room for all words; they come in no order.
  size_t (*anchors)(const uint8_t* page, size_t bytes, uint16_t* places);
};

const PageScan& Scan();
// Without vector instructions: the only one on other processors, and what the tests compare with.
const PageScan& PlainScan();

enum class PageKind : uint8_t { kSame = 0, kWords = 1, kWhole = 2, kZero = 3 };

// For each page whether it equals the old one, is zero, or is neither (kWords). `kinds` has room for them.
void ScanPages(const uint8_t* old_pages, const uint8_t* new_pages, size_t count, size_t page_bytes, uint8_t* kinds);

}  // namespace dwcp
