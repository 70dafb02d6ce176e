#include "stream_seal.h"

namespace dwcp {
namespace {

// Half of the 2^32 that NIST SP 800-38D, 8.3 allows a key.
constexpr uint64_t kRekeyRecords = uint64_t{1} << 31;

}  // namespace

std::unique_ptr<Seal> Seal::Create(const Secret& secret, AesGcm::Direction direction, uint64_t rekey_bytes) {
  std::unique_ptr<Seal> seal(new Seal(secret, direction, rekey_bytes));
  return seal->UseSecret() ? std::move(seal) : nullptr;
}

Seal::Seal(const Secret& secret, AesGcm::Direction direction, uint64_t rekey_bytes)
    : cipher_(AesGcm::Create(direction)), secret_(secret), rekey_bytes_(rekey_bytes) {}

Seal::~Seal() { Cleanse(secret_.data(), secret_.size()); }

bool Seal::UseSecret() {
  uint8_t key[kGcmKeyBytes];
  records_ = 0;
  bytes_ = 0;
  const bool is_used = Expand(secret_.data(), "dwcp key", key, sizeof(key)) && Expand(secret_.data(), "dwcp iv", iv_.data(), iv_.size()) &&
                       cipher_->UseKey(key);
  Cleanse(key, sizeof(key));
  return is_used;
}

bool Seal::BeginFrame() {
  if (bytes_ < rekey_bytes_ && records_ < kRekeyRecords) return true;
  Secret next;
  if (!Expand(secret_.data(), "dwcp next", next.data(), next.size())) return false;
  secret_ = next;
  Cleanse(next.data(), next.size());
  return UseSecret();
}

bool Seal::BeginRecord() {
  auto nonce = iv_;
  for (int at = 0; at < 8; ++at) nonce[4 + at] ^= static_cast<uint8_t>(records_ >> (56 - 8 * at));
  ++records_;
  return cipher_->Begin(nonce.data());
}

bool Seal::Update(const uint8_t* from, size_t length, uint8_t* to) {
  bytes_ += length;
  return cipher_->Update(from, length, to);
}

}  // namespace dwcp
