#include "page_frame.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "lz4.h"
#include "page_format.h"
#include "page_scan.h"
#include "stop.h"
#include "zstd.h"

namespace dwcp {
namespace {

constexpr size_t kStopPages = 1024;

Outcome Corrupt(const char* what) { return Outcome::Failed(Fault::kCorrupt, what); }

bool IsChanged(uint8_t outcome) { return outcome == static_cast<uint8_t>(PageOutcome::kDelta) || outcome == static_cast<uint8_t>(PageOutcome::kFull); }

}  // namespace

void FrameReader::Clear() {
  for (uint8_t* page : changed_) {
    if (page != nullptr) pool_->Drop(page);
  }
  changed_.clear();
  contents_.clear();
  scratch_.Reset();
}

Outcome FrameReader::Read(const PageFrame& frame, Bytes payload, uint8_t* memory) {
  Clear();
  pool_ = &PagePool::For(frame.page_bytes);
  Outcome outcome = CheckReferences(frame);
  if (outcome.fault == Fault::kNone) outcome = OpenPayload(frame, payload);
  if (outcome.fault != Fault::kNone) return outcome;
  const size_t length = memory == nullptr ? frame.pages.size() * frame.page_bytes : 0;
  Buffer out;
  if (memory == nullptr && !out.Allocate(length)) return NoMemoryFor(length);
  outcome = MakePages(frame, memory == nullptr ? out.data() : nullptr);
  if (outcome.fault != Fault::kNone) return outcome;
  PageHash check;
  Hash({checked_.data(), checked_.size()}, check.data());
  if (frame.check && check != *frame.check) return Corrupt("the check does not hold");
  for (size_t index = 0; memory != nullptr && index < contents_.size(); ++index) {
    uint8_t* to = memory + frame.pages[index] * frame.page_bytes;
    if (contents_[index] != nullptr) {
      StreamPage(to, contents_[index], frame.page_bytes);
    } else {
      std::memset(to, 0, frame.page_bytes);
    }
  }
  Commit(frame);
  Clear();
  outcome.bytes = std::move(out);
  return outcome;
}

const uint8_t* FrameReader::Old(const PageFrame& frame, size_t index) const {
  return image_ == nullptr ? nullptr : image_->Content(frame.region, frame.pages[index]);
}

Outcome FrameReader::CheckReferences(const PageFrame& frame) const {
  for (const std::vector<uint32_t>* numbers : {&frame.references, &frame.sources}) {
    for (const uint32_t number : *numbers) {
      if (image_ == nullptr || !image_->HoldsNumber(number, frame.page_bytes)) return Corrupt("a reference to a page that was never sent");
    }
  }
  return {};
}

Outcome FrameReader::OpenPlain(const PageFrame& frame, Bytes payload, size_t length) {
  plain_ = payload.data;
  if (frame.method == PackMethod::kRaw) return payload.length == length ? Outcome{} : Corrupt("raw pages of another length");
  uint8_t* plain = scratch_.Take(length);
  if (plain == nullptr) return NoMemoryFor(length);
  plain_ = plain;
  return frame.method == PackMethod::kLz4 ? Lz4DecompressTo(payload, {}, plain, length) : ZstdDecompressTo(payload, {}, plain, length);
}

Outcome FrameReader::OpenPayload(const PageFrame& frame, Bytes payload) {
  const auto count = static_cast<size_t>(std::count_if(frame.outcomes.begin(), frame.outcomes.end(), IsChanged));
  plain_ = nullptr;
  if (count == 0) return payload.length == 0 ? Outcome{} : Corrupt("a payload where no page is changed");
  if (frame.method != PackMethod::kPageDelta) return OpenPlain(frame, payload, count * frame.page_bytes);
  uint8_t* zeros = scratch_.Take(frame.page_bytes);
  if (zeros == nullptr) return NoMemoryFor(frame.page_bytes);
  std::memset(zeros, 0, frame.page_bytes);
  old_.clear();
  for (size_t index = 0; index < frame.outcomes.size(); ++index) {
    if (!IsChanged(frame.outcomes[index])) continue;
    const bool is_delta = frame.outcomes[index] == static_cast<uint8_t>(PageOutcome::kDelta);
    const uint8_t* content = is_delta ? Old(frame, index) : nullptr;
    old_.push_back(content != nullptr ? content : zeros);
  }
  for (const uint32_t source : frame.sources) {
    const uint8_t* content = image_->ContentOf(source, frame.page_bytes);
    old_.push_back(content != nullptr ? content : zeros);
  }
  return delta_.emplace(scratch_).Open(payload, old_, count, frame.page_bytes);
}

// One page after the other, so that what becomes of it happens while it is in the cache.
Outcome FrameReader::MakePages(const PageFrame& frame, uint8_t* out) {
  const size_t page_bytes = frame.page_bytes;
  const std::vector<uint8_t> zeros(page_bytes);
  PageHash zero_hash;
  Hash({zeros.data(), page_bytes}, zero_hash.data());
  checked_.resize(frame.head.size() + frame.pages.size() * kDigestBytes);
  std::copy(frame.head.begin(), frame.head.end(), checked_.begin());
  uint8_t* next_hash = checked_.data() + frame.head.size();
  contents_.reserve(frame.pages.size());
  size_t next_reference = 0;
  for (size_t index = 0; index < frame.pages.size(); ++index, next_hash += kDigestBytes) {
    if (index % kStopPages == 0 && IsStopped()) return Stopped();
    const uint8_t* content = nullptr;
    const PageHash* hash = &zero_hash;
    switch (static_cast<PageOutcome>(frame.outcomes[index])) {
      case PageOutcome::kZero:
        break;
      case PageOutcome::kUnchanged:
        content = Old(frame, index);
        if (content != nullptr) hash = &image_->HashOf(frame.region, frame.pages[index]);
        break;
      case PageOutcome::kDuplicate:
        content = image_->ContentOf(frame.references[next_reference++], page_bytes, &hash);
        break;
      case PageOutcome::kDelta:
      case PageOutcome::kFull: {
        uint8_t* page = pool_->Take();
        if (page == nullptr) return NoMemoryFor(page_bytes);
        if (plain_ != nullptr) {
          std::memcpy(page, plain_ + changed_.size() * page_bytes, page_bytes);
        } else {
          delta_->Next(page);
        }
        changed_.push_back(page);
        content = page;
        hash = nullptr;
      }
    }
    if (hash != nullptr) {
      std::memcpy(next_hash, hash->data(), kDigestBytes);
    } else {
      Hash({content, page_bytes}, next_hash);
    }
    contents_.push_back(content);
    if (out == nullptr) continue;
    if (content != nullptr) {
      std::memcpy(out + index * page_bytes, content, page_bytes);
    } else {
      std::memset(out + index * page_bytes, 0, page_bytes);
    }
  }
  return {};
}

// Content referred to is shared before any page of this frame is written: that may be where it is.
void FrameReader::Commit(const PageFrame& frame) {
  if (image_ == nullptr) return;
  image_->ForgetIndexes();
  const auto content_of = [&](size_t index) { return const_cast<uint8_t*>(contents_[index]); };
  for (size_t index = 0; index < frame.pages.size(); ++index) {
    const bool is_duplicate = static_cast<PageOutcome>(frame.outcomes[index]) == PageOutcome::kDuplicate;
    if (is_duplicate && contents_[index] != nullptr) pool_->Share(content_of(index));
  }
  const uint8_t* next_hash = checked_.data() + frame.head.size();
  for (size_t index = 0; index < frame.pages.size(); ++index, next_hash += kDigestBytes) {
    if (static_cast<PageOutcome>(frame.outcomes[index]) == PageOutcome::kUnchanged) continue;
    PageHash hash;
    std::memcpy(hash.data(), next_hash, kDigestBytes);
    image_->Write(frame.region, frame.pages[index], content_of(index), hash);
  }
  changed_.clear();
}

}  // namespace dwcp
