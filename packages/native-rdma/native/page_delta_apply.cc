#include <bit>
#include <cstring>
#include <vector>

#include "lz4.h"
#include "page_delta.h"
#include "page_format.h"
#include "page_scan.h"
#include "word_classes.h"
#include "zstd.h"

namespace dwcp {
namespace {

Outcome Corrupt(const char* what) { return Outcome::Failed(Fault::kCorrupt, what); }

bool ReadVarint(Bytes& rest, uint64_t& value) {
  value = 0;
  for (unsigned shift = 0; shift < 7 * kMaxVarintBytes; shift += 7) {
    if (rest.length == 0) return false;
    const uint8_t byte = *rest.data;
    rest = {rest.data + 1, rest.length - 1};
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

size_t CountBits(const uint8_t* bytes, size_t length) {
  size_t bits = 0;
  size_t at = 0;
  for (; at + sizeof(uint64_t) <= length; at += sizeof(uint64_t)) {
    uint64_t word;
    std::memcpy(&word, bytes + at, sizeof(word));
    bits += static_cast<size_t>(std::popcount(word));
  }
  for (; at < length; ++at) bits += static_cast<size_t>(std::popcount(bytes[at]));
  return bits;
}

}  // namespace

Outcome PageDeltaReader::ReadStream(Bytes& rest, size_t length, const uint8_t*& stream) {
  uint8_t* target = scratch_.Take(length);
  if (target == nullptr) return NoMemoryFor(length);
  stream = target;
  return ReadStreamTo(rest, length, {}, target);
}

// The next stream, which must decode to exactly `length` bytes. A raw one is copied too: who lent it might change it meanwhile, and what
// was checked must stay as it was.
Outcome PageDeltaReader::ReadStreamTo(Bytes& rest, size_t length, Bytes prefix, uint8_t* target) {
  uint64_t head = 0;
  if (!ReadVarint(rest, head) || head / 4 > rest.length) return Corrupt("a stream is cut off");
  const Bytes packed = {rest.data, static_cast<size_t>(head / 4)};
  rest = {rest.data + packed.length, rest.length - packed.length};
  const auto codec = static_cast<StreamCodec>(head % 4);
  if (codec == StreamCodec::kRaw && packed.length != length) return Corrupt("a raw stream is of another length");
  if (codec == StreamCodec::kLz4) return Lz4DecompressTo(packed, prefix, target, length);
  if (codec == StreamCodec::kRaw) {
    if (length > 0) std::memcpy(target, packed.data, length);
    return {};
  }
  return ZstdDecompressTo(packed, codec == StreamCodec::kZstdPrefix ? prefix : Bytes{}, target, length);
}

// Ascending by construction, so that their number is bounded by that of the pages there are.
Outcome PageDeltaReader::ReadNamed(Bytes& rest) {
  const size_t total = old_.size();
  uint64_t listed = 0;
  if (!ReadVarint(rest, listed) || listed > total || listed > rest.length) return Corrupt("more pages are named than there are");
  uint8_t* named = scratch_.Take(total / 8 + 1);
  if (named == nullptr) return NoMemoryFor(total / 8);
  std::memset(named, 0, total / 8 + 1);
  named_ = named;
  named_count_ = listed;
  uint64_t next = 0;
  for (; listed > 0; --listed) {
    uint64_t gap = 0;
    if (!ReadVarint(rest, gap) || gap >= total - next) return Corrupt("a page is named that is not there");
    next += gap;
    named[next / 8] |= static_cast<uint8_t>(1u << (next % 8));
    next += 1;
  }
  return {};
}

// How many mask bytes the summaries promise, or more than there can be if they point past a mask.
size_t PageDeltaReader::CountMarks() const {
  const size_t per_page = SummaryBytes(page_bytes_);
  const unsigned spare = static_cast<unsigned>(per_page * 8 - MaskBytes(page_bytes_));
  for (size_t at = per_page - 1; spare > 0 && at < few_ * per_page; at += per_page) {
    if (summary_[at] >> (8 - spare) != 0) return SIZE_MAX;
  }
  return CountBits(summary_, few_ * per_page);
}

// The content is decoded to right behind the pages that it is compressed with: decoders then take both for one stretch, and copy from
// either in the same short way.
Outcome PageDeltaReader::ReadContent(Bytes& rest) {
  const size_t most_bytes = (named_count_ + 2 * whole_) * page_bytes_;
  uint8_t* to = scratch_.Take(most_bytes);
  if (to == nullptr) return NoMemoryFor(most_bytes);
  Bytes prefix = {to, 0};
  const auto is_named = [this](size_t page) { return (named_[page / 8] >> (page % 8) & 1) != 0; };
  const auto append = [&](const uint8_t* page) {
    std::memcpy(to + prefix.length, page, page_bytes_);
    prefix.length += page_bytes_;
  };
  for (size_t page = 0; named_count_ > 0 && page < old_.size(); ++page) {
    if (is_named(page)) append(old_[page]);
  }
  for (size_t page = 0; whole_ > 0 && page < count_; ++page) {
    if (Kind(page) == PageKind::kWhole && !is_named(page) && !Scan().is_zero(old_[page], page_bytes_)) append(old_[page]);
  }
  content_ = to + prefix.length;
  return ReadStreamTo(rest, whole_ * page_bytes_, prefix, to + prefix.length);
}

// Behind each class, what a load of a whole word may read past its last one.
Outcome PageDeltaReader::ReadWords(Bytes& rest) {
  Outcome step = ReadStream(rest, words_, class_);
  if (step.fault != Fault::kNone) return step;
  std::array<size_t, 256> counts{};
  for (size_t word = 0; word < words_; ++word) ++counts[class_[word]];
  size_t known = 0;
  for (size_t each = 0; each < kWordClasses; ++each) known += counts[each];
  if (known != words_) return Corrupt("a word is of no known class");
  for (size_t each = 0; each < kWordClasses; ++each) {
    const size_t bytes = kClassBytes[each];
    uint8_t* rows = scratch_.Take(counts[each] * bytes + kWordBytes);
    if (rows == nullptr) return NoMemoryFor(counts[each] * bytes);
    words_of_[each] = rows;
    const size_t streams = each == 0 ? 0 : each == kSplitClass ? bytes : 1;
    for (size_t stream = 0; stream < streams; ++stream) {
      const uint8_t* column = nullptr;
      step = ReadStream(rest, counts[each] * bytes / streams, column);
      if (step.fault != Fault::kNone) return step;
      if (streams == 1) {
        if (counts[each] > 0) std::memcpy(rows, column, counts[each] * bytes);
      } else {
        for (size_t row = 0; row < counts[each]; ++row) rows[row * bytes + stream] = column[row];
      }
    }
  }
  return {};
}

Outcome PageDeltaReader::Open(Bytes encoding, Pages old_pages, size_t count, size_t page_bytes) {
  old_ = old_pages;
  count_ = count;
  page_bytes_ = page_bytes;
  Bytes rest = encoding;
  Outcome step = ReadNamed(rest);
  if (step.fault == Fault::kNone) step = ReadStream(rest, KindBytes(count), kinds_);
  if (step.fault != Fault::kNone) return step;
  for (size_t page = 0; page < count; ++page) {
    few_ += Kind(page) == PageKind::kWords;
    whole_ += Kind(page) == PageKind::kWhole;
  }

  step = ReadStream(rest, few_ * SummaryBytes(page_bytes), summary_);
  if (step.fault != Fault::kNone) return step;
  const size_t marked = CountMarks();
  if (marked > few_ * MaskBytes(page_bytes)) return Corrupt("a mask is longer than its page");
  step = ReadStream(rest, marked, mark_);
  if (step.fault != Fault::kNone) return step;
  words_ = CountBits(mark_, marked);

  step = ReadContent(rest);
  if (step.fault == Fault::kNone) step = ReadWords(rest);
  if (step.fault != Fault::kNone) return step;
  return rest.length == 0 ? Outcome{} : Corrupt("bytes follow the last stream");
}

void PageDeltaReader::WriteWords(uint8_t* page) {
  for (size_t step = 0; step < MaskBytes(page_bytes_); ++step) {
    if ((summary_[step / 8] >> (step % 8) & 1) == 0) continue;
    for (unsigned bits = *mark_++; bits != 0; bits &= bits - 1) {
      const uint8_t word_class = *class_++;
      const uint64_t word = LowBytes(words_of_[word_class], kClassBytes[word_class]);
      words_of_[word_class] += kClassBytes[word_class];
      std::memcpy(page + step * kPageStepBytes + std::countr_zero(bits) * kWordBytes, &word, sizeof(word));
    }
  }
  summary_ += SummaryBytes(page_bytes_);
}

void PageDeltaReader::Next(uint8_t* to) {
  const uint8_t* old = old_[page_];
  if (page_ + 1 < count_) PrefetchPage(old_[page_ + 1], page_bytes_);
  switch (Kind(page_++)) {
    case PageKind::kSame:
      if (to != old) std::memcpy(to, old, page_bytes_);
      break;
    case PageKind::kZero:
      std::memset(to, 0, page_bytes_);
      break;
    case PageKind::kWhole:
      std::memcpy(to, content_, page_bytes_);
      content_ += page_bytes_;
      break;
    case PageKind::kWords:
      if (to != old) std::memcpy(to, old, page_bytes_);
      WriteWords(to);
  }
}

Outcome ApplyPageDelta(Bytes encoding, uint8_t* pages, size_t length, size_t count, size_t page_bytes) {
  std::vector<const uint8_t*> old(length / page_bytes);
  for (size_t page = 0; page < old.size(); ++page) old[page] = pages + page * page_bytes;
  Scratch scratch;
  PageDeltaReader reader(scratch);
  Outcome outcome = reader.Open(encoding, old, count, page_bytes);
  if (outcome.fault != Fault::kNone) return outcome;
  if (!outcome.bytes.Allocate(count)) return NoMemoryFor(count);
  for (size_t page = 0; page < count; ++page) {
    outcome.bytes.data()[page] = static_cast<uint8_t>(reader.Kind(page));
    reader.Next(pages + page * page_bytes);
  }
  return outcome;
}

}  // namespace dwcp
