#include "stream_frame.h"

#include <algorithm>
#include <cstring>

namespace dwcp {
namespace {

constexpr size_t kCheckedBytes = kHeadBytes + kDigestBytes;
constexpr size_t kCheckBytes = kOpenHeadBytes - kCheckedBytes;

void Write32(uint32_t value, uint8_t* to) {
  for (int at = 0; at < 4; ++at) to[at] = static_cast<uint8_t>(value >> (24 - 8 * at));
}

uint32_t Read32(const uint8_t* from) {
  return static_cast<uint32_t>(from[0]) << 24 | static_cast<uint32_t>(from[1]) << 16 | static_cast<uint32_t>(from[2]) << 8 | from[3];
}

}  // namespace

void EncodeHead(const FrameHead& head, uint8_t* to) {
  Write32(static_cast<uint32_t>(head.type) << 24, to);
  Write32(head.length, to + 4);
  Write32(head.id, to + 8);
  Write32(head.sequence, to + 12);
  Write32(head.ack, to + 16);
}

FrameHead DecodeHead(const uint8_t* from) {
  return {from[0], Read32(from + 4), Read32(from + 8), Read32(from + 12), Read32(from + 16)};
}

void EncodeOpenHead(const FrameHead& head, const uint8_t* digest, uint8_t* to) {
  EncodeHead(head, to);
  std::copy_n(digest, kDigestBytes, to + kHeadBytes);
  uint8_t check[kDigestBytes];
  Hash({to, kCheckedBytes}, check);
  std::copy_n(check, kCheckBytes, to + kCheckedBytes);
}

bool IsOpenHead(const uint8_t* from) {
  uint8_t check[kDigestBytes];
  Hash({from, kCheckedBytes}, check);
  return std::memcmp(check, from + kCheckedBytes, kCheckBytes) == 0;
}

}  // namespace dwcp
