#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace dwcp {

constexpr size_t kGcmKeyBytes = 32;
constexpr size_t kGcmNonceBytes = 12;
constexpr size_t kTagBytes = 16;
constexpr size_t kSecretBytes = 32;

// AES-256-GCM (NIST SP 800-38D) without additional data, one record after another. One thread at a time.
class AesGcm {
 public:
  enum class Direction : uint8_t { kOpen = 0, kSeal = 1 };

  // The fastest that there is; null where OpenSSL refuses.
  static std::unique_ptr<AesGcm> Create(Direction direction);
  virtual ~AesGcm() = default;

  virtual bool UseKey(const uint8_t* key) = 0;
  virtual bool Begin(const uint8_t* nonce) = 0;
  // `to` may be `from`.
  virtual bool Update(const uint8_t* from, size_t length, uint8_t* to) = 0;
  virtual bool FinishSealed(uint8_t* tag) = 0;
  // Whether the record is what was sealed.
  virtual bool FinishOpened(const uint8_t* tag) = 0;
};

// Empty when AES-GCM can be had from the OpenSSL 3 of this process, or of this host.
const std::string& AesGcmProblem();
// OpenSSL's, and what ciphers instead where it is faster.
std::string AesGcmVersion();

// HKDF-Expand (RFC 5869) of a secret for at most one block of HMAC-SHA-256.
bool Expand(const uint8_t* secret, const char* label, uint8_t* to, size_t length);
void Cleanse(void* memory, size_t length);

}  // namespace dwcp
