#include "scratch.h"

#include <algorithm>
#include <mutex>
#include <utility>

namespace dwcp {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kMinBlockBytes = 16 << 10;
// A frame of 8 MiB of changed pages takes up to three times that.
constexpr size_t kMostKeptBytes = 32 << 20;

struct Spare {
  std::mutex mutex;
  Buffer block;
};

Spare& TheSpare() {
  // Never destroyed: jobs may outlive the environment that began them.
  static Spare& spare = *new Spare();
  return spare;
}

// The spare block, which may be of no length.
Buffer TakeSpare() {
  Spare& spare = TheSpare();
  const std::lock_guard lock(spare.mutex);
  return std::exchange(spare.block, Buffer());
}

void GiveSpare(Buffer block) {
  Spare& spare = TheSpare();
  const std::lock_guard lock(spare.mutex);
  if (block.length() > spare.block.length() && block.length() <= kMostKeptBytes) std::swap(block, spare.block);
}

}  // namespace

Scratch::~Scratch() {
  Reset();
  if (!blocks_.empty()) GiveSpare(std::move(blocks_.front()));
}

uint8_t* Scratch::Take(size_t length) {
  if (length > SIZE_MAX - kAlignment) return nullptr;
  const size_t rounded = (length + kAlignment - 1) / kAlignment * kAlignment;
  if (blocks_.empty() || rounded > blocks_.back().length() - used_) {
    Buffer block = blocks_.empty() ? TakeSpare() : Buffer();
    if (block.length() < rounded && !block.Allocate(std::max(rounded, kMinBlockBytes))) return nullptr;
    blocks_.push_back(std::move(block));
    used_ = 0;
  }
  uint8_t* taken = blocks_.back().data() + used_;
  used_ += rounded;
  return taken;
}

void Scratch::Reset() {
  used_ = 0;
  if (blocks_.empty() || (blocks_.size() == 1 && blocks_.front().length() <= kMostKeptBytes)) return;
  size_t total = 0;
  for (const Buffer& block : blocks_) total += block.length();
  blocks_.clear();
  Buffer whole;
  if (total <= kMostKeptBytes && whole.Allocate(total)) blocks_.push_back(std::move(whole));
}

}  // namespace dwcp
