#pragma once

#include <array>

#include "delta_bytes.h"
#include "grown.h"

namespace dwcp {

// What a delta script consists of, as docs/wire/delta.md says, laid out behind the lengths of its streams, 8 bytes each.
enum ScriptStream { kLiteralLengths, kCopyLengths, kShifts, kPatchGaps, kPatchValues, kLiterals, kScriptStreams };
constexpr size_t kScriptHeaderBytes = kScriptStreams * 8;
constexpr size_t kPatchBytes = 4;
// What JavaScript counts exactly: its twin refuses the same scripts.
constexpr int64_t kMaxNumber = (int64_t{1} << 53) - 1;

// False where the lengths do not add up.
inline bool SplitScript(Bytes script, std::array<Bytes, kScriptStreams>& streams) {
  if (script.length < kScriptHeaderBytes) return false;
  const uint8_t* at = script.data + kScriptHeaderBytes;
  size_t left = script.length - kScriptHeaderBytes;
  for (size_t i = 0; i < kScriptStreams; ++i) {
    const uint64_t length = Load64(script.data + 8 * i);
    if (length > left) return false;
    streams[i] = {at, length};
    at += length;
    left -= length;
  }
  return left == 0;
}

class VarintWriter {
 public:
  void Byte(uint8_t value) { bytes_.Append(value); }

  void Varint(uint64_t value) {
    std::array<uint8_t, 10> bytes;
    size_t length = 0;
    for (; value >= 128; value >>= 7) bytes[length++] = value | 128;
    bytes[length++] = value;
    bytes_.Append(bytes.data(), length);
  }

  void Zigzag(int64_t value) { Varint(static_cast<uint64_t>(value) << 1 ^ static_cast<uint64_t>(value >> 63)); }

  const Grown<uint8_t>& bytes() const { return bytes_; }

 private:
  Grown<uint8_t> bytes_;
};

// Reads what a peer wrote: false or nullptr where the bytes end early or a number is too large.
class VarintReader {
 public:
  explicit VarintReader(Bytes bytes) : bytes_(bytes) {}

  bool Varint(uint64_t& value) {
    value = 0;
    for (int shift = 0; shift < 56 && at_ < bytes_.length; shift += 7) {
      const uint8_t byte = bytes_.data[at_++];
      value |= static_cast<uint64_t>(byte & 127) << shift;
      if (byte < 128) return value <= static_cast<uint64_t>(kMaxNumber);
    }
    return false;
  }

  bool Zigzag(int64_t& value) {
    uint64_t raw;
    if (!Varint(raw)) return false;
    value = static_cast<int64_t>(raw >> 1 ^ (0 - (raw & 1)));
    return true;
  }

  const uint8_t* Take(uint64_t length) {
    if (length > bytes_.length - at_) return nullptr;
    at_ += length;
    return bytes_.data + at_ - length;
  }

  bool AtEnd() const { return at_ == bytes_.length; }

 private:
  Bytes bytes_;
  size_t at_ = 0;
};

}  // namespace dwcp
