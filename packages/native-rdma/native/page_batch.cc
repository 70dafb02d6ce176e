#include "page_batch.h"

#include <algorithm>
#include <cstring>

#include "lz4.h"
#include "page_delta.h"
#include "page_format.h"
#include "page_scan.h"
#include "stop.h"
#include "zstd.h"

namespace dwcp {
namespace {

// Room for one source in the head of a frame: two varints of 5 bytes.
constexpr size_t kSourceBytes = 10;
// A job asks whether it shall stop about this often.
constexpr size_t kStopPages = 1024;

PageHash HashPage(const uint8_t* page, size_t page_bytes) {
  PageHash hash;
  Hash({page, page_bytes}, hash.data());
  return hash;
}

size_t TagPage(const uint8_t* page, size_t page_bytes, uint32_t* tags) {
  TagPages(page, 1, page_bytes, tags);
  return static_cast<size_t>(std::find(tags, tags + kTagsPerPage, 0) - tags);
}

}  // namespace

PageBatch::~PageBatch() { Clear(); }

void PageBatch::Clear() {
  if (page_bytes_ != 0) {
    PagePool& pool = PagePool::For(page_bytes_);
    for (const Changed& one : changed_) pool.Drop(one.now);
    for (const Known& one : known_) {
      if (one.content != nullptr) pool.Drop(one.content);
    }
  }
  changed_.clear();
  known_.clear();
  sources_.clear();
  helping_.clear();
}

PageOutcome PageBatch::TakePage(const uint8_t* page, uint64_t number, const TakeOptions& options, const PageHash& zero_hash, PageHash& hash,
                                std::vector<uint32_t>& references) {
  const size_t page_bytes = options.page_bytes;
  const uint8_t* old = image_ == nullptr ? nullptr : image_->Content(region_, number);
  if (options.zeros && Scan().is_zero(page, page_bytes)) {
    hash = zero_hash;
    if (image_ != nullptr) known_.push_back({number, nullptr, hash});
    return PageOutcome::kZero;
  }
  if (old != nullptr && std::memcmp(page, old, page_bytes) == 0) {
    hash = image_->HashOf(region_, number);
    return PageOutcome::kUnchanged;
  }
  PagePool& pool = PagePool::For(page_bytes);
  uint8_t* now = pool.Take();
  if (now == nullptr) return PageOutcome::kFull;
  // Its owner may be writing to it: from here on the copy counts.
  std::memcpy(now, page, page_bytes);
  hash = HashPage(now, page_bytes);
  if (options.duplicates && image_ != nullptr) {
    const uint32_t candidate = image_->Indexes().FindPage(hash);
    const uint8_t* content = candidate == PageIndex::kNone ? nullptr : image_->ContentOf(candidate, page_bytes);
    // XXH3 is not collision-resistant, and entries may be stale: the bytes decide.
    if (content != nullptr && std::memcmp(now, content, page_bytes) == 0) {
      pool.Drop(now);
      pool.Share(const_cast<uint8_t*>(content));
      known_.push_back({number, const_cast<uint8_t*>(content), hash});
      references.push_back(candidate);
      return PageOutcome::kDuplicate;
    }
  }
  const bool is_delta = options.delta && old != nullptr;
  changed_.push_back({number, now, is_delta ? old : nullptr, hash});
  return is_delta ? PageOutcome::kDelta : PageOutcome::kFull;
}

Outcome PageBatch::Take(Bytes pages, Bytes numbers, const TakeOptions& options) {
  if (changed_.empty() && known_.empty()) {
    region_ = options.region;
    page_bytes_ = options.page_bytes;
  }
  uses_delta_ = options.delta && image_ != nullptr;
  // Built once, before pages are compared one by one.
  if (image_ != nullptr && (options.duplicates || options.delta)) image_->Indexes();
  const size_t count = numbers.length / sizeof(uint32_t);
  const auto number_at = [&](size_t index) {
    uint32_t number;
    std::memcpy(&number, numbers.data + index * sizeof(number), sizeof(number));
    return number;
  };
  std::vector<uint8_t> zeros(page_bytes_);
  const PageHash zero_hash = HashPage(zeros.data(), page_bytes_);
  std::vector<PageHash> hashes(count);
  std::vector<uint8_t> outcomes(count);
  std::vector<uint32_t> references;
  const size_t changed_before = changed_.size();
  size_t taken = 0;
  for (; taken < count && changed_.size() < options.changed_pages; ++taken) {
    if (taken % kStopPages == 0 && IsStopped()) return Stopped();
    if (image_ != nullptr && taken + 1 < count) {
      const uint8_t* next = image_->Content(region_, number_at(taken + 1));
      if (next != nullptr) PrefetchPage(next, page_bytes_);
    }
    const size_t known_before = known_.size() + changed_.size();
    const PageOutcome outcome =
        TakePage(pages.data + taken * page_bytes_, number_at(taken), options, zero_hash, hashes[taken], references);
    if (outcome == PageOutcome::kFull && known_.size() + changed_.size() == known_before) return NoMemoryFor(page_bytes_);
    outcomes[taken] = static_cast<uint8_t>(outcome);
  }
  FindSources(changed_before);
  const uint32_t head[] = {static_cast<uint32_t>(taken), static_cast<uint32_t>(changed_.size() - changed_before),
                           static_cast<uint32_t>(sources_.size()), static_cast<uint32_t>(references.size())};
  Outcome outcome;
  const size_t length = sizeof(head) + references.size() * sizeof(uint32_t) + taken * (kDigestBytes + 1);
  if (!outcome.bytes.Allocate(length)) return NoMemoryFor(length);
  uint8_t* to = outcome.bytes.data();
  const auto append = [&to](const void* from, size_t bytes) {
    if (bytes > 0) std::memcpy(to, from, bytes);
    to += bytes;
  };
  append(head, sizeof(head));
  append(references.data(), references.size() * sizeof(uint32_t));
  append(hashes.data(), taken * kDigestBytes);
  append(outcomes.data(), taken);
  return outcome;
}

size_t PageBatch::Sample(size_t most, uint8_t* now, uint8_t* old) const {
  const size_t count = std::min(most, changed_.size());
  for (size_t each = 0; each < count; ++each) {
    const Changed& one = changed_[count == 1 ? 0 : each * (changed_.size() - 1) / (count - 1)];
    std::memcpy(now + each * page_bytes_, one.now, page_bytes_);
    if (one.old != nullptr) {
      std::memcpy(old + each * page_bytes_, one.old, page_bytes_);
    } else {
      std::memset(old + each * page_bytes_, 0, page_bytes_);
    }
  }
  return count;
}

// Pages that keep most of their old content need no other.
void PageBatch::FindSources(size_t from) {
  if (!uses_delta_) return;
  const PageIndexes& indexes = image_->Indexes();
  const uint64_t first_page = image_->shape(region_).first_page;
  for (size_t index = from; index < changed_.size(); ++index) {
    if (changed_[index].old != nullptr) helping_.insert(static_cast<uint32_t>(first_page + changed_[index].page));
  }
  for (size_t index = from; index < changed_.size(); ++index) {
    const Changed& one = changed_[index];
    uint32_t tags[kTagsPerPage];
    uint32_t old_tags[kTagsPerPage];
    const size_t count = TagPage(one.now, page_bytes_, tags);
    const size_t old_count = one.old == nullptr ? 0 : TagPage(one.old, page_bytes_, old_tags);
    const auto end = std::remove_if(tags, tags + count, [&](uint32_t tag) { return std::find(old_tags, old_tags + old_count, tag) != old_tags + old_count; });
    if (static_cast<size_t>(end - tags) * 2 <= count) continue;
    for (const uint32_t* tag = tags; tag != end && sources_.size() < changed_.size(); ++tag) {
      const uint32_t source = indexes.pieces.Find(*tag);
      if (source == PageIndex::kNone || image_->ContentOf(source, page_bytes_) == nullptr) continue;
      if (helping_.insert(source).second) sources_.push_back(source);
    }
  }
}

Outcome PageBatch::PackPages(PackMethod& method, int level) {
  const size_t length = changed_.size() * page_bytes_;
  if (length == 0) method = PackMethod::kRaw;
  // Level 0 compresses nothing, so that nothing helps.
  if (method != PackMethod::kPageDelta || level == 0) sources_.clear();
  if (method == PackMethod::kPageDelta) {
    std::sort(sources_.begin(), sources_.end());
    const std::vector<uint8_t> zeros(page_bytes_);
    std::vector<const uint8_t*> now;
    std::vector<const uint8_t*> old;
    for (const Changed& one : changed_) {
      now.push_back(one.now);
      old.push_back(one.old != nullptr ? one.old : zeros.data());
    }
    for (const uint32_t source : sources_) old.push_back(image_->ContentOf(source, page_bytes_));
    Outcome packed = EncodePageDelta(now, old, page_bytes_, level);
    if (packed.fault != Fault::kNone || packed.bytes.length() < length) return packed;
    method = PackMethod::kRaw;
    sources_.clear();
  }
  Outcome plain;
  if (!plain.bytes.Allocate(length)) return NoMemoryFor(length);
  for (size_t index = 0; index < changed_.size(); ++index) std::memcpy(plain.bytes.data() + index * page_bytes_, changed_[index].now, page_bytes_);
  if (method == PackMethod::kRaw) return plain;
  const Bytes source = {plain.bytes.data(), length};
  Outcome packed = method == PackMethod::kLz4 ? Lz4Compress(source, {}) : ZstdCompress(source, {}, level);
  if (packed.fault != Fault::kNone || packed.bytes.length() < length) return packed;
  method = PackMethod::kRaw;
  return plain;
}

Outcome PageBatch::Pack(PackMethod method, int level, size_t spare, size_t tail) {
  Outcome packed = PackPages(method, level);
  if (packed.fault != Fault::kNone) return packed;
  const uint32_t head[] = {static_cast<uint32_t>(method), static_cast<uint32_t>(packed.bytes.length()), static_cast<uint32_t>(sources_.size())};
  const size_t sources_bytes = sources_.size() * sizeof(uint32_t);
  const size_t start = sizeof(head) + sources_bytes + spare + sources_.size() * kSourceBytes;
  Outcome outcome;
  const size_t length = start + packed.bytes.length() + tail;
  if (!outcome.bytes.Allocate(length)) return NoMemoryFor(length);
  std::memcpy(outcome.bytes.data(), head, sizeof(head));
  if (sources_bytes > 0) std::memcpy(outcome.bytes.data() + sizeof(head), sources_.data(), sources_bytes);
  if (packed.bytes.length() > 0) std::memcpy(outcome.bytes.data() + start, packed.bytes.data(), packed.bytes.length());
  if (image_ != nullptr) Commit();
  Clear();
  return outcome;
}

void PageBatch::Commit() {
  PageIndexes* indexes = image_->OwnIndexes();
  if (indexes == nullptr) image_->ForgetIndexes();
  const uint64_t first_page = image_->shape(region_).first_page;
  for (const Changed& one : changed_) {
    image_->Write(region_, one.page, one.now, one.hash);
    if (indexes != nullptr) image_->AddToIndexes(*indexes, first_page + one.page, one.now, page_bytes_, one.hash);
  }
  for (const Known& one : known_) image_->Write(region_, one.page, one.content, one.hash);
  changed_.clear();
  known_.clear();
}

}  // namespace dwcp
