#include "page_frame.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "lz4.h"
#include "page_delta.h"
#include "page_format.h"
#include "stop.h"
#include "zstd.h"

namespace dwcp {
namespace {

constexpr size_t kStopPages = 1024;

Outcome Corrupt(const char* what) { return Outcome::Failed(Fault::kCorrupt, what); }

bool IsChanged(uint8_t outcome) { return outcome == static_cast<uint8_t>(PageOutcome::kDelta) || outcome == static_cast<uint8_t>(PageOutcome::kFull); }

}  // namespace

FrameReader::FrameReader(PageFrame frame, std::shared_ptr<PageImage> image)
    : frame_(std::move(frame)), image_(std::move(image)), pool_(PagePool::For(frame_.page_bytes)) {}

FrameReader::~FrameReader() { Clear(); }

void FrameReader::Clear() {
  for (uint8_t* page : changed_) {
    if (page != nullptr) pool_.Drop(page);
  }
  changed_.clear();
  hashes_.clear();
  frame_ = {};
}

Outcome FrameReader::Unpack(Bytes payload, size_t length) const {
  if (frame_.method == PackMethod::kRaw) {
    if (payload.length != length) return Corrupt("raw pages of another length");
    Outcome outcome;
    if (!outcome.bytes.Allocate(length)) return NoMemoryFor(length);
    std::memcpy(outcome.bytes.data(), payload.data, length);
    return outcome;
  }
  Outcome outcome = frame_.method == PackMethod::kLz4 ? Lz4Decompress(payload, {}, length) : ZstdDecompress(payload, {}, length);
  if (outcome.fault == Fault::kTooLarge) outcome.fault = Fault::kCorrupt;
  if (outcome.fault == Fault::kNone && outcome.bytes.length() != length) return Corrupt("pages of another length");
  return outcome;
}

Outcome FrameReader::Read(Bytes payload) {
  Outcome outcome = CheckReferences();
  if (outcome.fault == Fault::kNone) outcome = ReadChanged(payload);
  return outcome.fault == Fault::kNone ? WritePages() : std::move(outcome);
}

const uint8_t* FrameReader::Old(size_t index) const { return image_ == nullptr ? nullptr : image_->Content(frame_.region, frame_.pages[index]); }

Outcome FrameReader::CheckReferences() const {
  for (const std::vector<uint32_t>* numbers : {&frame_.references, &frame_.sources}) {
    for (const uint32_t number : *numbers) {
      if (image_ == nullptr || !image_->HoldsNumber(number, frame_.page_bytes)) return Corrupt("a reference to a page that was never sent");
    }
  }
  return {};
}

Outcome FrameReader::ReadChanged(Bytes payload) {
  const auto count = static_cast<size_t>(std::count_if(frame_.outcomes.begin(), frame_.outcomes.end(), IsChanged));
  if (count == 0) return payload.length == 0 ? Outcome{} : Corrupt("a payload where no page is changed");
  for (changed_.reserve(count); changed_.size() < count;) {
    uint8_t* page = pool_.Take();
    if (page == nullptr) return NoMemoryFor(count * frame_.page_bytes);
    changed_.push_back(page);
  }
  if (frame_.method == PackMethod::kPageDelta) return ApplyDelta(payload);
  Outcome plain = Unpack(payload, count * frame_.page_bytes);
  if (plain.fault != Fault::kNone) return plain;
  for (size_t index = 0; index < count; ++index) std::memcpy(changed_[index], plain.bytes.data() + index * frame_.page_bytes, frame_.page_bytes);
  return {};
}

Outcome FrameReader::ApplyDelta(Bytes payload) {
  std::vector<uint8_t> zeros(frame_.page_bytes);
  std::vector<uint8_t*> pages = changed_;
  for (size_t index = 0, next = 0; index < frame_.outcomes.size(); ++index) {
    if (!IsChanged(frame_.outcomes[index])) continue;
    const uint8_t* old = frame_.outcomes[index] == static_cast<uint8_t>(PageOutcome::kDelta) ? Old(index) : nullptr;
    std::memcpy(pages[next++], old != nullptr ? old : zeros.data(), frame_.page_bytes);
  }
  for (const uint32_t source : frame_.sources) {
    const uint8_t* content = image_->ContentOf(source, frame_.page_bytes);
    // Only the changed ones, in front, are written to.
    pages.push_back(content != nullptr ? const_cast<uint8_t*>(content) : zeros.data());
  }
  Outcome kinds = ApplyPageDelta(payload, pages, changed_.size(), frame_.page_bytes);
  kinds.bytes = Buffer();
  return kinds;
}

Outcome FrameReader::WritePages() {
  const size_t page_bytes = frame_.page_bytes;
  Outcome outcome;
  const size_t length = frame_.pages.size() * (page_bytes + kDigestBytes);
  if (!outcome.bytes.Allocate(length)) return NoMemoryFor(length);
  hashes_.resize(frame_.pages.size());
  const std::vector<uint8_t> zeros(page_bytes);
  PageHash zero_hash;
  Hash({zeros.data(), page_bytes}, zero_hash.data());
  size_t next_changed = 0;
  size_t next_reference = 0;
  for (size_t index = 0; index < frame_.pages.size(); ++index) {
    if (index % kStopPages == 0 && IsStopped()) return Stopped();
    const uint8_t* content = nullptr;
    const PageHash* hash = &zero_hash;
    switch (static_cast<PageOutcome>(frame_.outcomes[index])) {
      case PageOutcome::kZero:
        break;
      case PageOutcome::kUnchanged:
        content = Old(index);
        if (content != nullptr) hash = &image_->HashOf(frame_.region, frame_.pages[index]);
        break;
      case PageOutcome::kDuplicate:
        content = image_->ContentOf(frame_.references[next_reference++], page_bytes, &hash);
        break;
      case PageOutcome::kDelta:
      case PageOutcome::kFull:
        content = changed_[next_changed++];
        Hash({content, page_bytes}, hashes_[index].data());
        hash = nullptr;
    }
    if (hash != nullptr) hashes_[index] = *hash;
    uint8_t* to = outcome.bytes.data() + index * page_bytes;
    if (content != nullptr) {
      std::memcpy(to, content, page_bytes);
    } else {
      std::memset(to, 0, page_bytes);
    }
  }
  if (!hashes_.empty()) std::memcpy(outcome.bytes.data() + hashes_.size() * page_bytes, hashes_.data(), hashes_.size() * kDigestBytes);
  return outcome;
}

// Content referred to is shared before any page of this frame is written: that may be where it is.
void FrameReader::Commit() {
  if (image_ == nullptr) return Clear();
  image_->ForgetIndexes();
  std::vector<uint8_t*> shared;
  for (const uint32_t reference : frame_.references) {
    auto* content = const_cast<uint8_t*>(image_->ContentOf(reference, frame_.page_bytes));
    if (content != nullptr) pool_.Share(content);
    shared.push_back(content);
  }
  size_t next_changed = 0;
  size_t next_reference = 0;
  for (size_t index = 0; index < frame_.pages.size(); ++index) {
    const auto outcome = static_cast<PageOutcome>(frame_.outcomes[index]);
    if (outcome == PageOutcome::kUnchanged) continue;
    uint8_t* content = nullptr;
    if (outcome == PageOutcome::kDuplicate) content = shared[next_reference++];
    if (IsChanged(frame_.outcomes[index])) content = std::exchange(changed_[next_changed++], nullptr);
    image_->Write(frame_.region, frame_.pages[index], content, hashes_[index]);
  }
  Clear();
}

}  // namespace dwcp
