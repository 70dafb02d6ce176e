#include "stream_pool.h"

#include <cstdlib>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

namespace dwcp {
namespace {

constexpr size_t kStepBytes = 64 << 10;
constexpr size_t kKeptBytesMax = 32 << 20;

struct Kept {
  std::mutex mutex;
  std::map<size_t, std::vector<uint8_t*>> by_size;
  size_t bytes = 0;
};

// Never destroyed: bodies come back while the process ends.
Kept& All() {
  static Kept& kept = *new Kept();
  return kept;
}

size_t RoomFor(size_t length) { return (length + PooledBody::kSpareBytes + kStepBytes - 1) / kStepBytes * kStepBytes; }
// Small ones are left to malloc, which has them at hand.
bool IsPooled(size_t length) { return length >= kStepBytes; }

}  // namespace

PooledBody& PooledBody::operator=(PooledBody&& other) noexcept {
  if (this == &other) return *this;
  Reset();
  data_ = std::exchange(other.data_, nullptr);
  length_ = other.length_;
  return *this;
}

bool PooledBody::Take(size_t length) {
  Reset();
  length_ = length;
  if (IsPooled(length)) {
    Kept& kept = All();
    const size_t room = RoomFor(length);
    const std::lock_guard lock(kept.mutex);
    const auto found = kept.by_size.find(room);
    if (found != kept.by_size.end() && !found->second.empty()) {
      data_ = found->second.back();
      found->second.pop_back();
      kept.bytes -= room;
      return true;
    }
  }
  data_ = static_cast<uint8_t*>(std::malloc(IsPooled(length) ? RoomFor(length) : length + kSpareBytes));
  return data_ != nullptr;
}

void PooledBody::Reset() {
  uint8_t* data = std::exchange(data_, nullptr);
  if (data == nullptr) return;
  if (IsPooled(length_)) {
    Kept& kept = All();
    const size_t room = RoomFor(length_);
    const std::lock_guard lock(kept.mutex);
    if (kept.bytes + room <= kKeptBytesMax) {
      kept.by_size[room].push_back(data);
      kept.bytes += room;
      return;
    }
  }
  std::free(data);
}

}  // namespace dwcp
