#include <array>
#include <bit>
#include <cstring>
#include <vector>

#include "lz4.h"
#include "page_delta.h"
#include "page_format.h"
#include "page_references.h"
#include "page_scan.h"
#include "word_classes.h"
#include "zstd.h"

namespace dwcp {
namespace {

// What is written one after the other into memory that was allocated for the most there can be.
struct Stream {
  Buffer bytes;
  size_t length = 0;

  void Append(const uint8_t* from, size_t count) {
    if (count > 0) std::memcpy(bytes.data() + length, from, count);
    length += count;
  }
  void Varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes.data()[length++] = static_cast<uint8_t>(value | 0x80);
    bytes.data()[length++] = static_cast<uint8_t>(value);
  }
  Bytes View() const { return {bytes.data(), length}; }
};

struct Packed {
  StreamCodec codec = StreamCodec::kRaw;
  Bytes bytes;
  Outcome outcome;
};

// Below it speed counts for more: whole pages of two guests took 1 to 6 % fewer bytes and a fourth to an eighth more time.
constexpr int kFirstLevelOfLongDistance = 3;

Packed Pack(Bytes source, Bytes prefix, int level) {
  Packed packed;
  packed.bytes = source;
  if (source.length == 0 || level == 0) return packed;
  const bool is_far = prefix.length > 0 && level >= kFirstLevelOfLongDistance;
  packed.outcome = ZstdCompress(source, prefix, level, is_far ? LongDistance::kYes : LongDistance::kNo);
  if (packed.outcome.fault != Fault::kNone || packed.outcome.bytes.length() >= source.length) return packed;
  packed.codec = prefix.length > 0 ? StreamCodec::kZstdPrefix : StreamCodec::kZstd;
  packed.bytes = {packed.outcome.bytes.data(), packed.outcome.bytes.length()};
  return packed;
}

// More of the changed words than this full to their last bytes: text or numbers without a pattern, which compress best as they stand.
constexpr size_t kFullWordsOf10 = 7;
// Below this share of a page's words its changed ones are few enough either way.
constexpr size_t kFewWordsShare = 16;

struct Encoder {
  Pages now;
  Pages old;
  size_t page_bytes;
  int level;
  size_t count;

  Stream kinds;
  Stream summaries;
  Stream marks;
  Stream classes;
  std::array<Stream, kWordClasses> words;
  // Indexes of whole pages, 8 bytes each.
  Stream whole;
  PageReferences references;
  Stream listed;
  Stream prefix;
  Stream content;
  std::array<Stream, kClassBytes[kSplitClass]> split;

  const uint8_t* New(size_t page) const { return now[page]; }
  const uint8_t* Old(size_t page) const { return old[page]; }
  // Level 0 leaves the streams as they are, which needs no prefix: for links that outrun every codec.
  bool Packs() const { return level != 0; }
  size_t WholeCount() const { return whole.length / sizeof(uint64_t); }
  size_t WholePage(size_t index) const {
    uint64_t page;
    std::memcpy(&page, whole.bytes.data() + index * sizeof(page), sizeof(page));
    return page;
  }

  // Memory is touched as it is filled: the bounds cost addresses, not memory.
  bool Allocate() {
    const size_t most_words = count * page_bytes / kWordBytes / 2;
    // A word is stored whole, and then overwritten from where its class ends.
    for (size_t each = 0; each < kWordClasses; ++each) {
      if (!words[each].bytes.Allocate(most_words * kClassBytes[each] + kWordBytes)) return false;
    }
    return kinds.bytes.Allocate(KindBytes(count)) && summaries.bytes.Allocate(count * SummaryBytes(page_bytes)) &&
           marks.bytes.Allocate(count * MaskBytes(page_bytes)) && classes.bytes.Allocate(most_words) &&
           whole.bytes.Allocate(count * sizeof(uint64_t)) && (!Packs() || references.Open(old, page_bytes));
  }

  void Classify(uint8_t* mask) {
    const PageScan& scan = Scan();
    const size_t half = page_bytes / kWordBytes / 2;
    kinds.length = KindBytes(count);
    std::memset(kinds.bytes.data(), 0, kinds.length);
    for (size_t page = 0; page < count; ++page) {
      const size_t changed = scan.compare(Old(page), New(page), page_bytes, mask);
      if (Packs()) references.Add(page);
      if (changed == 0) continue;
      PageKind kind = PageKind::kWords;
      if (scan.is_zero(New(page), page_bytes)) {
        kind = PageKind::kZero;
      } else if (changed > half || !AppendWords(New(page), mask, changed)) {
        kind = PageKind::kWhole;
        const uint64_t index = page;
        whole.Append(reinterpret_cast<const uint8_t*>(&index), sizeof(index));
      }
      kinds.bytes.data()[page / 4] |= static_cast<uint8_t>(static_cast<unsigned>(kind) << (page % 4 * 2));
    }
  }

  // False, with nothing appended, where the page is better described whole.
  bool AppendWords(const uint8_t* page, const uint8_t* mask, size_t changed) {
    const size_t former_marks = marks.length;
    std::array<size_t, kWordClasses> former;
    for (size_t each = 0; each < kWordClasses; ++each) former[each] = words[each].length;
    uint8_t* summary = summaries.bytes.data() + summaries.length;
    std::memset(summary, 0, SummaryBytes(page_bytes));
    size_t full = 0;
    for (size_t step = 0; step < MaskBytes(page_bytes); ++step) {
      if (mask[step] == 0) continue;
      summary[step / 8] |= static_cast<uint8_t>(1u << (step % 8));
      marks.bytes.data()[marks.length++] = mask[step];
      for (unsigned bits = mask[step]; bits != 0; bits &= bits - 1) {
        full += AppendWord(page + step * kPageStepBytes + std::countr_zero(bits) * kWordBytes);
      }
    }
    if (Packs() && full * 10 > changed * kFullWordsOf10 && changed * kFewWordsShare > page_bytes / kWordBytes) {
      marks.length = former_marks;
      classes.length -= changed;
      for (size_t each = 0; each < kWordClasses; ++each) words[each].length = former[each];
      return false;
    }
    summaries.length += SummaryBytes(page_bytes);
    return true;
  }

  // Whether it is of the widest class.
  bool AppendWord(const uint8_t* from) {
    uint64_t word;
    std::memcpy(&word, from, sizeof(word));
    const uint8_t word_class = kClassOf[SignificantBytes(word)];
    classes.bytes.data()[classes.length++] = word_class;
    Stream& stream = words[word_class];
    std::memcpy(stream.bytes.data() + stream.length, &word, sizeof(word));
    stream.length += kClassBytes[word_class];
    return word_class == kWordClasses - 1;
  }

  // The pages that content is compressed with: those that something moved out of, and the old ones of whole pages.
  bool FindPrefix() {
    const size_t old_count = old.size();
    size_t found = 0;
    if (Packs() && WholeCount() > 0) {
      for (size_t page = count; page < old_count; ++page) references.Add(page);
      for (size_t index = 0; index < WholeCount(); ++index) references.Seek(New(WholePage(index)));
      for (size_t page = 0; page < old_count; ++page) found += references.Uses(page);
    }
    if (!listed.bytes.Allocate((found + 1) * kMaxVarintBytes) || !prefix.bytes.Allocate((found + WholeCount()) * page_bytes)) return false;
    listed.Varint(found);
    if (found > 0) {
      size_t next = 0;
      for (size_t page = 0; page < old_count; ++page) {
        if (!references.Uses(page)) continue;
        listed.Varint(page - next);
        next = page + 1;
        prefix.Append(Old(page), page_bytes);
      }
    }
    for (size_t index = 0; Packs() && index < WholeCount(); ++index) {
      const size_t page = WholePage(index);
      if (!references.Uses(page) && !Scan().is_zero(Old(page), page_bytes)) prefix.Append(Old(page), page_bytes);
    }
    return true;
  }

  bool GatherContent() {
    if (!content.bytes.Allocate(WholeCount() * page_bytes)) return false;
    for (size_t index = 0; index < WholeCount(); ++index) content.Append(New(WholePage(index)), page_bytes);
    return true;
  }

  bool Split() {
    const Bytes rows = words[kSplitClass].View();
    const size_t rows_count = rows.length / split.size();
    for (size_t byte = 0; byte < split.size(); ++byte) {
      if (!split[byte].bytes.Allocate(rows_count)) return false;
      uint8_t* to = split[byte].bytes.data();
      for (size_t row = 0; row < rows_count; ++row) to[row] = rows.data[row * split.size() + byte];
      split[byte].length = rows_count;
    }
    return true;
  }

  // In the order of the format.
  std::vector<Packed> PackAll() const {
    std::vector<Packed> packed;
    packed.push_back(Pack(kinds.View(), {}, level));
    packed.push_back(Pack(summaries.View(), {}, level));
    packed.push_back(Pack(marks.View(), {}, level));
    packed.push_back(Pack(content.View(), prefix.View(), level));
    packed.push_back(Pack(classes.View(), {}, level));
    for (size_t each = 1; each < kWordClasses; ++each) {
      if (each != kSplitClass) {
        packed.push_back(Pack(words[each].View(), {}, level));
        continue;
      }
      for (const Stream& bytes : split) packed.push_back(Pack(bytes.View(), {}, level));
    }
    return packed;
  }
};

}  // namespace

const std::string& PageDeltaProblem() {
  // LZ4 serves encoders that have no zstd; whoever reads must know both.
  return ZstdProblem().empty() ? Lz4Problem() : ZstdProblem();
}

Outcome EncodePageDelta(Pages new_pages, Pages old_pages, size_t page_bytes, int level) {
  Encoder encoder{};
  encoder.now = new_pages;
  encoder.old = old_pages;
  encoder.page_bytes = page_bytes;
  encoder.level = level;
  encoder.count = new_pages.size();
  Buffer mask;
  if (!mask.Allocate(MaskBytes(page_bytes)) || !encoder.Allocate()) return NoMemoryFor(new_pages.size() * page_bytes);
  encoder.Classify(mask.data());
  if (!encoder.FindPrefix() || !encoder.GatherContent() || !encoder.Split()) return NoMemoryFor(new_pages.size() * page_bytes);

  std::vector<Packed> packed = encoder.PackAll();
  size_t bound = encoder.listed.length;
  for (Packed& part : packed) {
    if (part.outcome.fault != Fault::kNone) return std::move(part.outcome);
    bound += kMaxVarintBytes + part.bytes.length;
  }
  Stream encoding;
  if (!encoding.bytes.Allocate(bound)) return NoMemoryFor(bound);
  encoding.Append(encoder.listed.bytes.data(), encoder.listed.length);
  for (const Packed& part : packed) {
    encoding.Varint(part.bytes.length * 4 + static_cast<unsigned>(part.codec));
    encoding.Append(part.bytes.data, part.bytes.length);
  }
  Outcome outcome;
  outcome.bytes = std::move(encoding.bytes);
  outcome.bytes.Shrink(encoding.length);
  return outcome;
}

Outcome EncodePageDelta(Bytes new_pages, Bytes old_pages, size_t page_bytes, int level) {
  const auto pages_of = [page_bytes](Bytes bytes) {
    std::vector<const uint8_t*> pages(bytes.length / page_bytes);
    for (size_t page = 0; page < pages.size(); ++page) pages[page] = bytes.data + page * page_bytes;
    return pages;
  };
  return EncodePageDelta(pages_of(new_pages), pages_of(old_pages), page_bytes, level);
}

}  // namespace dwcp
