#include "stream_seal.h"

#include <algorithm>

#include "library.h"

namespace dwcp {
namespace {

constexpr int kGetTag = 0x10;
constexpr int kSetTag = 0x11;
constexpr size_t kKeyBytes = 32;
constexpr size_t kUpdateBytesMax = 1 << 30;
// Half of the 2^32 that NIST SP 800-38D, 8.3 allows a key.
constexpr uint64_t kRekeyRecords = uint64_t{1} << 31;

struct OpenSsl {
  Library library;
  unsigned (*versionMajor)();
  const char* (*versionText)(int);
  void* (*newContext)();
  void (*freeContext)(void*);
  const void* (*aes256Gcm)();
  int (*init)(void*, const void*, void*, const uint8_t*, const uint8_t*, int);
  int (*update)(void*, uint8_t*, int*, const uint8_t*, int);
  int (*finish)(void*, uint8_t*, int*);
  int (*control)(void*, int, int, void*);
  const void* (*sha256)();
  uint8_t* (*hmac)(const void*, const void*, int, const uint8_t*, size_t, uint8_t*, unsigned*);
  void (*cleanse)(void*, size_t);
  std::string problem;

  explicit OpenSsl(const char* name) : library(name) {
    library.Bind(versionMajor, "OPENSSL_version_major");
    library.Bind(versionText, "OpenSSL_version");
    library.Bind(newContext, "EVP_CIPHER_CTX_new");
    library.Bind(freeContext, "EVP_CIPHER_CTX_free");
    library.Bind(aes256Gcm, "EVP_aes_256_gcm");
    library.Bind(init, "EVP_CipherInit_ex");
    library.Bind(update, "EVP_CipherUpdate");
    library.Bind(finish, "EVP_CipherFinal_ex");
    library.Bind(control, "EVP_CIPHER_CTX_ctrl");
    library.Bind(sha256, "EVP_sha256");
    library.Bind(hmac, "HMAC");
    library.Bind(cleanse, "OPENSSL_cleanse");
    problem = library.problem();
    if (problem.empty() && versionMajor() != 3) problem = std::string(versionText(0)) + " is not OpenSSL 3";
  }
};

// Node exports its own on Linux; another runtime may carry another library, and the host have this one beside it.
const OpenSsl& Api() {
  static const OpenSsl& own = *new OpenSsl(nullptr);
  if (own.problem.empty()) return own;
  static const OpenSsl& host = *new OpenSsl("libcrypto.so.3");
  return host;
}

// HKDF-Expand (RFC 5869) for at most one block of HMAC-SHA-256.
bool Expand(const Secret& secret, const char* label, uint8_t* to, size_t length) {
  std::string info = label;
  info.push_back('\1');
  uint8_t block[32];
  unsigned written = 0;
  if (Api().hmac(Api().sha256(), secret.data(), kSecretBytes, reinterpret_cast<const uint8_t*>(info.data()), info.size(), block, &written) ==
          nullptr ||
      written != sizeof(block)) {
    return false;
  }
  std::copy_n(block, length, to);
  Api().cleanse(block, sizeof(block));
  return true;
}

}  // namespace

const std::string& SealProblem() { return Api().problem; }
std::string SealVersion() { return Api().versionText(0); }

std::unique_ptr<Seal> Seal::Create(const Secret& secret, Direction direction, uint64_t rekey_bytes) {
  std::unique_ptr<Seal> seal(new Seal(secret, direction, rekey_bytes));
  return seal->context_ != nullptr && seal->UseSecret() ? std::move(seal) : nullptr;
}

Seal::Seal(const Secret& secret, Direction direction, uint64_t rekey_bytes)
    : context_(Api().newContext()), secret_(secret), direction_(direction), rekey_bytes_(rekey_bytes) {}

Seal::~Seal() {
  Api().freeContext(context_);
  Api().cleanse(secret_.data(), secret_.size());
}

bool Seal::UseSecret() {
  uint8_t key[kKeyBytes];
  records_ = 0;
  bytes_ = 0;
  const bool is_used = Expand(secret_, "dwcp key", key, kKeyBytes) && Expand(secret_, "dwcp iv", iv_.data(), iv_.size()) &&
                       Api().init(context_, Api().aes256Gcm(), nullptr, key, nullptr, static_cast<int>(direction_)) == 1;
  Api().cleanse(key, sizeof(key));
  return is_used;
}

bool Seal::BeginFrame() {
  if (bytes_ < rekey_bytes_ && records_ < kRekeyRecords) return true;
  Secret next;
  if (!Expand(secret_, "dwcp next", next.data(), next.size())) return false;
  secret_ = next;
  Api().cleanse(next.data(), next.size());
  return UseSecret();
}

bool Seal::BeginRecord() {
  auto nonce = iv_;
  for (int at = 0; at < 8; ++at) nonce[4 + at] ^= static_cast<uint8_t>(records_ >> (56 - 8 * at));
  ++records_;
  return Api().init(context_, nullptr, nullptr, nullptr, nonce.data(), -1) == 1;
}

bool Seal::Update(const uint8_t* from, size_t length, uint8_t* to) {
  bytes_ += length;
  while (length > 0) {
    const size_t part = std::min(length, kUpdateBytesMax);
    int written = 0;
    if (Api().update(context_, to, &written, from, static_cast<int>(part)) != 1) return false;
    from += part;
    to += part;
    length -= part;
  }
  return true;
}

bool Seal::FinishSealed(uint8_t* tag) {
  int written = 0;
  uint8_t none[16];
  return Api().finish(context_, none, &written) == 1 && Api().control(context_, kGetTag, kTagBytes, tag) == 1;
}

bool Seal::FinishOpened(const uint8_t* tag) {
  int written = 0;
  uint8_t none[16];
  return Api().control(context_, kSetTag, kTagBytes, const_cast<uint8_t*>(tag)) == 1 && Api().finish(context_, none, &written) == 1;
}

}  // namespace dwcp
