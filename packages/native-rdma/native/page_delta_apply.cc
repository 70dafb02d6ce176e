#include <algorithm>
#include <array>
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

struct Reader {
  Bytes rest;

  bool Varint(uint64_t& value) {
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
};

// The next stream, which must decode to exactly `length` bytes: only then is it in outcome.bytes.
Outcome ReadStream(Reader& reader, size_t length, Bytes prefix) {
  uint64_t head = 0;
  if (!reader.Varint(head) || head / 4 > reader.rest.length) return Corrupt("a stream is cut off");
  const Bytes packed = {reader.rest.data, static_cast<size_t>(head / 4)};
  reader.rest = {reader.rest.data + packed.length, reader.rest.length - packed.length};
  const auto codec = static_cast<StreamCodec>(head % 4);
  if (codec == StreamCodec::kRaw) {
    if (packed.length != length) return Corrupt("a raw stream is of another length");
    Outcome outcome;
    if (!outcome.bytes.Allocate(length)) return NoMemoryFor(length);
    if (length > 0) std::memcpy(outcome.bytes.data(), packed.data, length);
    return outcome;
  }
  Outcome outcome = codec == StreamCodec::kLz4 ? Lz4Decompress(packed, prefix, length)
                                               : ZstdDecompress(packed, codec == StreamCodec::kZstdPrefix ? prefix : Bytes{}, length);
  // A stream that claims more than its place allows is corrupt, whatever the codec calls it.
  if (outcome.fault == Fault::kTooLarge) outcome.fault = Fault::kCorrupt;
  if (outcome.fault == Fault::kNone && outcome.bytes.length() != length) return Corrupt("a stream is of another length");
  return outcome;
}

struct Decoder {
  std::span<uint8_t* const> pages;
  size_t total;
  size_t count;
  size_t page_bytes;

  Buffer kinds;
  size_t few = 0;
  size_t whole = 0;
  Buffer summaries;
  Buffer marks;
  size_t words = 0;
  Buffer classes;
  std::array<Buffer, kWordClasses> rows;
  // One bit for each page that the encoding names.
  Buffer named;
  size_t named_count = 0;
  Buffer prefix;
  size_t prefix_length = 0;

  uint8_t* Page(size_t index) const { return pages[index]; }
  PageKind Kind(size_t page) const { return static_cast<PageKind>(kinds.data()[page]); }

  // Ascending by construction, so that their number is bounded by that of the pages there are.
  Outcome ReadNamed(Reader& reader) {
    uint64_t listed = 0;
    if (!reader.Varint(listed) || listed > total || listed > reader.rest.length) return Corrupt("more pages are named than there are");
    if (!named.Allocate(total / 8 + 1)) return NoMemoryFor(total / 8);
    std::memset(named.data(), 0, named.length());
    named_count = listed;
    uint64_t next = 0;
    for (; listed > 0; --listed) {
      uint64_t gap = 0;
      if (!reader.Varint(gap) || gap >= total - next) return Corrupt("a page is named that is not there");
      next += gap;
      named.data()[next / 8] |= static_cast<uint8_t>(1u << (next % 8));
      next += 1;
    }
    return {};
  }

  Outcome SpreadKinds(const Outcome& packed) {
    if (!kinds.Allocate(count)) return NoMemoryFor(count);
    for (size_t page = 0; page < count; ++page) {
      const auto kind = static_cast<PageKind>(packed.bytes.data()[page / 4] >> (page % 4 * 2) & 3);
      kinds.data()[page] = static_cast<uint8_t>(kind);
      few += kind == PageKind::kWords;
      whole += kind == PageKind::kWhole;
    }
    return {};
  }

  // How many mask bytes the summaries promise, or more than there can be if they point past a mask.
  size_t CountMarks() const {
    const size_t per_page = SummaryBytes(page_bytes);
    const unsigned spare = static_cast<unsigned>(per_page * 8 - MaskBytes(page_bytes));
    size_t marked = 0;
    for (size_t at = 0; at < summaries.length(); ++at) {
      const uint8_t bits = summaries.data()[at];
      if (at % per_page == per_page - 1 && bits >> (8 - spare) != 0) return SIZE_MAX;
      marked += std::popcount(bits);
    }
    return marked;
  }

  bool IsNamed(size_t page) const { return (named.data()[page / 8] >> (page % 8) & 1) != 0; }

  bool InPrefix(size_t page) const {
    return Kind(page) == PageKind::kWhole && !IsNamed(page) && !Scan().is_zero(Page(page), page_bytes);
  }

  Outcome GatherPrefix() {
    size_t pages_in = named_count;
    for (size_t page = 0; whole > 0 && page < count; ++page) pages_in += InPrefix(page);
    if (!prefix.Allocate(pages_in * page_bytes)) return NoMemoryFor(pages_in * page_bytes);
    const auto append = [&](size_t page) {
      // Counted before: pages that another thread filled since, against the contract, must not be written past the end.
      if (prefix.length() - prefix_length < page_bytes) return;
      std::memcpy(prefix.data() + prefix_length, Page(page), page_bytes);
      prefix_length += page_bytes;
    };
    for (size_t page = 0; named_count > 0 && page < total; ++page) {
      if (IsNamed(page)) append(page);
    }
    for (size_t page = 0; whole > 0 && page < count; ++page) {
      if (InPrefix(page)) append(page);
    }
    return {};
  }

  // Behind each class, what a load of a whole word may read past its last one.
  Outcome ReadWords(Reader& reader) {
    Outcome step = ReadStream(reader, words, {});
    if (step.fault != Fault::kNone) return step;
    classes = std::move(step.bytes);
    std::array<size_t, 256> counts{};
    for (size_t word = 0; word < words; ++word) ++counts[classes.data()[word]];
    size_t known = 0;
    for (size_t each = 0; each < kWordClasses; ++each) known += counts[each];
    if (known != words) return Corrupt("a word is of no known class");
    for (size_t each = 0; each < kWordClasses; ++each) {
      const size_t bytes = kClassBytes[each];
      if (!rows[each].Allocate(counts[each] * bytes + kWordBytes)) return NoMemoryFor(counts[each] * bytes);
      const size_t streams = each == 0 ? 0 : each == kSplitClass ? bytes : 1;
      for (size_t stream = 0; stream < streams; ++stream) {
        step = ReadStream(reader, counts[each] * bytes / streams, {});
        if (step.fault != Fault::kNone) return step;
        uint8_t* to = rows[each].data();
        if (streams == 1) {
          std::memcpy(to, step.bytes.data(), step.bytes.length());
        } else {
          for (size_t row = 0; row < counts[each]; ++row) to[row * bytes + stream] = step.bytes.data()[row];
        }
      }
    }
    return {};
  }

  // Every length has been checked against the others: nothing can fail from here on.
  void Write(const uint8_t* content) {
    const uint8_t* next_class = classes.data();
    std::array<const uint8_t*, kWordClasses> next;
    for (size_t each = 0; each < kWordClasses; ++each) next[each] = rows[each].data();
    const uint8_t* summary = summaries.data();
    const uint8_t* mark = marks.data();
    for (size_t page = 0; page < count; ++page) {
      switch (Kind(page)) {
        case PageKind::kSame:
          break;
        case PageKind::kZero:
          std::memset(Page(page), 0, page_bytes);
          break;
        case PageKind::kWhole:
          std::memcpy(Page(page), content, page_bytes);
          content += page_bytes;
          break;
        case PageKind::kWords:
          for (size_t step = 0; step < MaskBytes(page_bytes); ++step) {
            if ((summary[step / 8] >> (step % 8) & 1) == 0) continue;
            for (unsigned bits = *mark++; bits != 0; bits &= bits - 1) {
              const uint8_t word_class = *next_class++;
              const uint64_t word = LowBytes(next[word_class], kClassBytes[word_class]);
              next[word_class] += kClassBytes[word_class];
              std::memcpy(Page(page) + step * kPageStepBytes + std::countr_zero(bits) * kWordBytes, &word, sizeof(word));
            }
          }
          summary += SummaryBytes(page_bytes);
      }
    }
  }
};

}  // namespace

Outcome ApplyPageDelta(Bytes encoding, std::span<uint8_t* const> pages, size_t count, size_t page_bytes) {
  Decoder decoder{};
  decoder.pages = pages;
  decoder.total = pages.size();
  decoder.count = count;
  decoder.page_bytes = page_bytes;
  Reader reader{encoding};
  Outcome step = decoder.ReadNamed(reader);
  if (step.fault != Fault::kNone) return step;

  step = ReadStream(reader, KindBytes(count), {});
  if (step.fault == Fault::kNone) step = decoder.SpreadKinds(step);
  if (step.fault != Fault::kNone) return step;

  step = ReadStream(reader, decoder.few * SummaryBytes(page_bytes), {});
  if (step.fault != Fault::kNone) return step;
  decoder.summaries = std::move(step.bytes);
  const size_t marked = decoder.CountMarks();
  if (marked > decoder.few * MaskBytes(page_bytes)) return Corrupt("a mask is longer than its page");

  step = ReadStream(reader, marked, {});
  if (step.fault != Fault::kNone) return step;
  decoder.marks = std::move(step.bytes);
  for (size_t at = 0; at < marked; ++at) decoder.words += std::popcount(decoder.marks.data()[at]);

  step = decoder.GatherPrefix();
  if (step.fault != Fault::kNone) return step;
  Outcome content = ReadStream(reader, decoder.whole * page_bytes, {decoder.prefix.data(), decoder.prefix_length});
  if (content.fault != Fault::kNone) return content;
  step = decoder.ReadWords(reader);
  if (step.fault != Fault::kNone) return step;
  if (reader.rest.length > 0) return Corrupt("bytes follow the last stream");

  decoder.Write(content.bytes.data());
  Outcome outcome;
  outcome.bytes = std::move(decoder.kinds);
  return outcome;
}

Outcome ApplyPageDelta(Bytes encoding, uint8_t* pages, size_t length, size_t count, size_t page_bytes) {
  std::vector<uint8_t*> each(length / page_bytes);
  for (size_t page = 0; page < each.size(); ++page) each[page] = pages + page * page_bytes;
  return ApplyPageDelta(encoding, each, count, page_bytes);
}

}  // namespace dwcp
