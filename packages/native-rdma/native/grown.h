#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <type_traits>

#include "outcome.h"

namespace dwcp {

// Plain values that grow in number without exceptions, which the addon is built without: what no memory is left for is dropped, and
// failed() says so from then on.
template <class Value>
class Grown {
  static_assert(std::is_trivially_copyable_v<Value>);

 public:
  void Append(const Value* values, size_t count) {
    if (count > capacity_ - count_ && !Grow(count)) return;
    if (count > 0) std::memcpy(values_.get() + count_, values, count * sizeof(Value));
    count_ += count;
  }
  void Append(const Value& value) { Append(&value, 1); }

  bool failed() const { return failed_; }
  size_t count() const { return count_; }
  const Value* data() const { return values_.get(); }
  const Value* begin() const { return values_.get(); }
  const Value* end() const { return values_.get() + count_; }
  const Value& operator[](size_t at) const { return values_.get()[at]; }

 private:
  bool Grow(size_t more) {
    const size_t wanted = std::max(capacity_ * 2, count_ + more + 4096 / sizeof(Value));
    auto* grown = failed_ ? nullptr : static_cast<Value*>(std::realloc(values_.get(), wanted * sizeof(Value)));
    failed_ = grown == nullptr;
    if (failed_) return false;
    values_.release();
    values_.reset(grown);
    capacity_ = wanted;
    return true;
  }

  std::unique_ptr<Value, Free> values_;
  size_t count_ = 0;
  size_t capacity_ = 0;
  bool failed_ = false;
};

}  // namespace dwcp
