#pragma once

#include <array>
#include <memory>

#include "outcome.h"

namespace dwcp {

constexpr size_t kSecretBytes = 32;
constexpr size_t kTagBytes = 16;

using Secret = std::array<uint8_t, kSecretBytes>;

// Empty when AES-GCM can be had from the OpenSSL 3 of this process, or of this host.
const std::string& SealProblem();
std::string SealVersion();

// Seals or opens the records of one direction of one connection, each under a nonce of its own, with AES-256-GCM (NIST SP 800-38D).
// Keys follow from the secret as in RFC 8446, 7.2 and 7.3, and are replaced by the next ones after so many bytes or records. The caller
// has checked that SealProblem() is empty.
class Seal {
 public:
  enum class Direction : uint8_t { kOpen = 0, kSeal = 1 };

  // Null where OpenSSL refuses.
  static std::unique_ptr<Seal> Create(const Secret& secret, Direction direction, uint64_t rekey_bytes);
  ~Seal();

  // Before each frame: both ends change keys at the same one.
  bool BeginFrame();
  bool BeginRecord();
  // `to` may be `from`.
  bool Update(const uint8_t* from, size_t length, uint8_t* to);
  bool FinishSealed(uint8_t* tag);
  // Whether the record is what the peer sealed.
  bool FinishOpened(const uint8_t* tag);

 private:
  Seal(const Secret& secret, Direction direction, uint64_t rekey_bytes);
  Seal(const Seal&) = delete;
  bool UseSecret();

  void* context_;
  Secret secret_;
  std::array<uint8_t, 12> iv_{};
  Direction direction_;
  uint64_t rekey_bytes_;
  uint64_t records_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace dwcp
