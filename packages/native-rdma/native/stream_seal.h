#pragma once

#include <array>
#include <memory>

#include "aes_gcm.h"
#include "outcome.h"

namespace dwcp {

using Secret = std::array<uint8_t, kSecretBytes>;

// Seals or opens the records of one direction of one connection, each under a nonce of its own. Keys follow from the secret as in
// RFC 8446, 7.2 and 7.3, and are replaced by the next ones after so many bytes or records. The caller has checked that AesGcmProblem() is
// empty.
class Seal {
 public:
  // Null where OpenSSL refuses.
  static std::unique_ptr<Seal> Create(const Secret& secret, AesGcm::Direction direction, uint64_t rekey_bytes);
  ~Seal();

  // Before each frame: both ends change keys at the same one.
  bool BeginFrame();
  bool BeginRecord();
  // `to` may be `from`.
  bool Update(const uint8_t* from, size_t length, uint8_t* to);
  bool FinishSealed(uint8_t* tag) { return cipher_->FinishSealed(tag); }
  // Whether the record is what the peer sealed.
  bool FinishOpened(const uint8_t* tag) { return cipher_->FinishOpened(tag); }

 private:
  Seal(const Secret& secret, AesGcm::Direction direction, uint64_t rekey_bytes);
  Seal(const Seal&) = delete;
  bool UseSecret();

  std::unique_ptr<AesGcm> cipher_;
  Secret secret_;
  std::array<uint8_t, kGcmNonceBytes> iv_{};
  uint64_t rekey_bytes_;
  uint64_t records_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace dwcp
