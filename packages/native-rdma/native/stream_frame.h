#pragma once

#include "hash.h"

namespace dwcp {

// The first 20 bytes of a frame, big-endian: type, three zeros, length of the body, id, sequence, ack.
struct FrameHead {
  uint8_t type = 0;
  uint32_t length = 0;
  uint32_t id = 0;
  uint32_t sequence = 0;
  uint32_t ack = 0;
};

constexpr size_t kHeadBytes = 20;
// On a link without keys: the digest of the body and 8 bytes of check follow.
constexpr size_t kOpenHeadBytes = kHeadBytes + kDigestBytes + 8;

void EncodeHead(const FrameHead& head, uint8_t* to);
FrameHead DecodeHead(const uint8_t* from);

void EncodeOpenHead(const FrameHead& head, const uint8_t* digest, uint8_t* to);
// Whether the check fits the 36 bytes before it.
bool IsOpenHead(const uint8_t* from);

}  // namespace dwcp
