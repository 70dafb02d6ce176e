#pragma once

#include <cstddef>
#include <cstdint>

namespace dwcp {

// Memory for a body, taken from those that were given back: fresh pages cost as much as filling them. Not zeroed. Any thread.
class PooledBody {
 public:
  PooledBody() = default;
  ~PooledBody() { Reset(); }
  PooledBody(PooledBody&& other) noexcept : data_(other.data_), length_(other.length_) { other.data_ = nullptr; }
  PooledBody& operator=(PooledBody&& other) noexcept;

  // Room for `length` bytes and kSpareBytes; false without memory.
  bool Take(size_t length);
  void Reset();

  uint8_t* data() const { return data_; }
  size_t length() const { return length_; }

  // Behind the body, where its tag is received.
  static constexpr size_t kSpareBytes = 16;

 private:
  uint8_t* data_ = nullptr;
  size_t length_ = 0;
};

}  // namespace dwcp
