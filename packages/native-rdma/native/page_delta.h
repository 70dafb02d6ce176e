#pragma once

#include "page_format.h"

namespace dwcp {

// Empty when page deltas can be made and applied here.
const std::string& PageDeltaProblem();

// `new_pages` described by `old_pages`: the old content of each of them, in order, and behind that any further pages that the decoder
// holds too. docs/wire/hde.md has the format. `page_bytes` is a multiple of 64.
Outcome EncodePageDelta(Pages new_pages, Pages old_pages, size_t page_bytes, int level);

// Turns the first `count` of `pages` into the new ones, in place, and gives what became of each: one byte a page, a PageKind.
// Corrupt encodings are refused before a page is touched. The others are only read.
Outcome ApplyPageDelta(Bytes encoding, std::span<uint8_t* const> pages, size_t count, size_t page_bytes);

// The same for pages that lie one after the other.
Outcome EncodePageDelta(Bytes new_pages, Bytes old_pages, size_t page_bytes, int level);
Outcome ApplyPageDelta(Bytes encoding, uint8_t* pages, size_t length, size_t count, size_t page_bytes);

}  // namespace dwcp
