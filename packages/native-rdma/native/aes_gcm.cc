#include "aes_gcm.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "library.h"

namespace dwcp {
namespace {

constexpr int kGetTag = 0x10;
constexpr int kSetTag = 0x11;
constexpr size_t kUpdateBytesMax = 1 << 30;

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
  int (*differs)(const void*, const void*, size_t);
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
    library.Bind(differs, "CRYPTO_memcmp");
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

class OpenSslGcm final : public AesGcm {
 public:
  explicit OpenSslGcm(Direction direction) : context_(Api().newContext()), direction_(direction) {}
  ~OpenSslGcm() override { Api().freeContext(context_); }

  bool UseKey(const uint8_t* key) override {
    return context_ != nullptr && Api().init(context_, Api().aes256Gcm(), nullptr, key, nullptr, static_cast<int>(direction_)) == 1;
  }

  bool Begin(const uint8_t* nonce) override { return Api().init(context_, nullptr, nullptr, nullptr, nonce, -1) == 1; }

  bool Update(const uint8_t* from, size_t length, uint8_t* to) override {
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

  bool FinishSealed(uint8_t* tag) override {
    int written = 0;
    uint8_t none[16];
    return Api().finish(context_, none, &written) == 1 && Api().control(context_, kGetTag, kTagBytes, tag) == 1;
  }

  bool FinishOpened(const uint8_t* tag) override {
    int written = 0;
    uint8_t none[16];
    return Api().control(context_, kSetTag, kTagBytes, const_cast<uint8_t*>(tag)) == 1 && Api().finish(context_, none, &written) == 1;
  }

 private:
  void* context_;
  Direction direction_;
};

// More than any version of the library keeps for a key, and for a record.
struct alignas(64) KeyTable {
  uint8_t bytes[4096];
};
struct alignas(64) RecordState {
  uint8_t bytes[512];
};

// Intel's Multi-Buffer Crypto for IPsec: four blocks in each instruction (VAES, VPCLMULQDQ), which OpenSSL has from 3.1 on only.
struct MultiBuffer {
  Library library;
  unsigned (*version)();
  const char* (*versionText)();
  void (*expandKey)(const uint8_t* key, KeyTable*);
  void (*begin)(const KeyTable*, RecordState*, const uint8_t* nonce, const uint8_t*, uint64_t);
  void (*seal)(const KeyTable*, RecordState*, uint8_t* to, const uint8_t* from, uint64_t);
  void (*open)(const KeyTable*, RecordState*, uint8_t* to, const uint8_t* from, uint64_t);
  void (*finishSealed)(const KeyTable*, RecordState*, uint8_t* tag, uint64_t);
  void (*finishOpened)(const KeyTable*, RecordState*, uint8_t* tag, uint64_t);
  bool is_usable = false;

  MultiBuffer() : library("libIPSec_MB.so.1") {
    library.Bind(version, "imb_get_version");
    library.Bind(versionText, "imb_get_version_str");
    library.Bind(expandKey, "aes_gcm_pre_256_vaes_avx512");
    library.Bind(begin, "aes_gcm_init_256_vaes_avx512");
    library.Bind(seal, "aes_gcm_enc_256_update_vaes_avx512");
    library.Bind(open, "aes_gcm_dec_256_update_vaes_avx512");
    library.Bind(finishSealed, "aes_gcm_enc_256_finalize_vaes_avx512");
    library.Bind(finishOpened, "aes_gcm_dec_256_finalize_vaes_avx512");
    is_usable = library.problem().empty() && version() >> 16 == 1 && HasInstructions();
  }

  static bool HasInstructions() {
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("vaes") && __builtin_cpu_supports("vpclmulqdq");
#else
    return false;
#endif
  }
};

const MultiBuffer& Fast() {
  static const MultiBuffer& fast = *new MultiBuffer();
  return fast;
}

class MultiBufferGcm final : public AesGcm {
 public:
  explicit MultiBufferGcm(Direction direction) : direction_(direction) {}
  ~MultiBufferGcm() override {
    Cleanse(&key_, sizeof(key_));
    Cleanse(&record_, sizeof(record_));
  }

  bool UseKey(const uint8_t* key) override {
    Fast().expandKey(key, &key_);
    return true;
  }

  bool Begin(const uint8_t* nonce) override {
    Fast().begin(&key_, &record_, nonce, nullptr, 0);
    return true;
  }

  bool Update(const uint8_t* from, size_t length, uint8_t* to) override {
    if (length > 0) (direction_ == Direction::kSeal ? Fast().seal : Fast().open)(&key_, &record_, to, from, length);
    return true;
  }

  bool FinishSealed(uint8_t* tag) override {
    Fast().finishSealed(&key_, &record_, tag, kTagBytes);
    return true;
  }

  bool FinishOpened(const uint8_t* tag) override {
    uint8_t own[kTagBytes];
    Fast().finishOpened(&key_, &record_, own, kTagBytes);
    return Api().differs(own, tag, kTagBytes) == 0;
  }

 private:
  KeyTable key_;
  RecordState record_;
  Direction direction_;
};

// What one seals the other has to open, in parts of any length, and to refuse once a bit of it is another.
bool Agree(AesGcm& sealing, AesGcm& opening) {
  std::array<uint8_t, 1500> plain;
  std::array<uint8_t, kGcmKeyBytes> key;
  for (size_t at = 0; at < plain.size(); ++at) plain[at] = static_cast<uint8_t>(at * 31 + 7);
  for (size_t at = 0; at < key.size(); ++at) key[at] = static_cast<uint8_t>(at * 17 + 3);
  if (!sealing.UseKey(key.data()) || !opening.UseKey(key.data())) return false;
  for (size_t length = 0; length <= plain.size(); length = length * 2 + 1) {
    const uint8_t nonce[kGcmNonceBytes] = {1, 2, 3, static_cast<uint8_t>(length)};
    for (const bool is_changed : {false, true}) {
      auto bytes = plain;
      uint8_t tag[kTagBytes];
      const size_t part = length / 3;
      if (!sealing.Begin(nonce) || !sealing.Update(bytes.data(), part, bytes.data()) ||
          !sealing.Update(bytes.data() + part, length - part, bytes.data() + part) || !sealing.FinishSealed(tag)) {
        return false;
      }
      if (is_changed) (length > 0 ? bytes[length - 1] : tag[0]) ^= 1;
      const size_t other = length / 2;
      if (!opening.Begin(nonce) || !opening.Update(bytes.data(), other, bytes.data()) ||
          !opening.Update(bytes.data() + other, length - other, bytes.data() + other) || opening.FinishOpened(tag) == is_changed) {
        return false;
      }
      if (!is_changed && std::memcmp(bytes.data(), plain.data(), plain.size()) != 0) return false;
    }
  }
  return true;
}

// A library that does something else than its name says is not used.
bool IsFast() {
  static const bool is_fast = [] {
    if (!Fast().is_usable || !AesGcmProblem().empty()) return false;
    OpenSslGcm sealing(AesGcm::Direction::kSeal);
    OpenSslGcm opening(AesGcm::Direction::kOpen);
    MultiBufferGcm fast_sealing(AesGcm::Direction::kSeal);
    MultiBufferGcm fast_opening(AesGcm::Direction::kOpen);
    return Agree(fast_sealing, opening) && Agree(sealing, fast_opening);
  }();
  return is_fast;
}

}  // namespace

const std::string& AesGcmProblem() { return Api().problem; }

std::string AesGcmVersion() {
  const std::string version = Api().versionText(0);
  return IsFast() ? version + ", AES-GCM of IPSec_MB " + Fast().versionText() : version;
}

std::unique_ptr<AesGcm> AesGcm::Create(Direction direction) {
  if (IsFast()) return std::make_unique<MultiBufferGcm>(direction);
  return std::make_unique<OpenSslGcm>(direction);
}

bool Expand(const uint8_t* secret, const char* label, uint8_t* to, size_t length) {
  std::string info = label;
  info.push_back('\1');
  uint8_t block[32];
  unsigned written = 0;
  if (Api().hmac(Api().sha256(), secret, kSecretBytes, reinterpret_cast<const uint8_t*>(info.data()), info.size(), block, &written) ==
          nullptr ||
      written != sizeof(block)) {
    return false;
  }
  std::copy_n(block, length, to);
  Cleanse(block, sizeof(block));
  return true;
}

void Cleanse(void* memory, size_t length) { Api().cleanse(memory, length); }

}  // namespace dwcp
