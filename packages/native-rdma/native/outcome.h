#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

namespace dwcp {

struct Bytes {
  const uint8_t* data = nullptr;
  size_t length = 0;
};

// The values are the codes that the addon hands to JavaScript.
enum class Fault : uint32_t { kNone = 0, kUnavailable = 1, kTooLarge = 2, kCorrupt = 3, kOutOfMemory = 4, kStopped = 5 };

struct Free {
  void operator()(void* pointer) const { std::free(pointer); }
};

// For std::free, in large pages from a few of these on: half of the time that it takes to read a file went into faults of small ones.
void* AllocateBytes(size_t length);

// Its pages are touched only as they are filled, and it can be handed to JavaScript as it is.
class Buffer {
 public:
  bool Allocate(size_t length) {
    data_.reset(static_cast<uint8_t*>(AllocateBytes(length)));
    length_ = data_ ? length : 0;
    return data_ != nullptr;
  }

  void Shrink(size_t length) {
    uint8_t* kept = data_.release();
    void* moved = std::realloc(kept, length > 0 ? length : 1);
    data_.reset(moved != nullptr ? static_cast<uint8_t*>(moved) : kept);
    length_ = length;
  }

  uint8_t* data() const { return data_.get(); }
  size_t length() const { return length_; }
  uint8_t* Release() { return data_.release(); }

 private:
  std::unique_ptr<uint8_t, Free> data_;
  size_t length_ = 0;
};

struct Outcome {
  Fault fault = Fault::kNone;
  std::string message;
  Buffer bytes;

  static Outcome Failed(Fault fault, std::string message) { return Outcome{fault, std::move(message), Buffer()}; }
};

}  // namespace dwcp
