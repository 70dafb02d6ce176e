#include "hash.h"

#include <algorithm>

#include "library.h"

namespace dwcp {
namespace {

// XXH128_hash_t: returned by value, so its layout is part of the ABI of libxxhash.so.0.
struct Digest128 {
  uint64_t low;
  uint64_t high;
};

struct XxHash {
  Library library{"libxxhash.so.0"};
  unsigned (*versionNumber)();
  Digest128 (*hash)(const void*, size_t);
  void* (*createState)();
  int (*freeState)(void*);
  int (*reset)(void*);
  int (*update)(void*, const void*, size_t);
  Digest128 (*digest)(const void*);

  XxHash() {
    library.Bind(versionNumber, "XXH_versionNumber");
    // Those that choose the widest vectors of this processor: the others are built for the oldest one, and took 7 GB/s of pages where
    // these took 25.
    library.Bind(hash, "XXH3_128bits_dispatch", "XXH3_128bits");
    library.Bind(createState, "XXH3_createState");
    library.Bind(freeState, "XXH3_freeState");
    library.Bind(reset, "XXH3_128bits_reset");
    library.Bind(update, "XXH3_128bits_update_dispatch", "XXH3_128bits_update");
    library.Bind(digest, "XXH3_128bits_digest");
  }
};

const XxHash& Api() {
  static const XxHash& api = *new XxHash();
  return api;
}

void WriteBigEndian(uint64_t value, uint8_t* to) {
  for (int i = 0; i < 8; ++i) to[i] = static_cast<uint8_t>(value >> (56 - 8 * i));
}

void WriteCanonical(Digest128 digest, uint8_t* to) {
  WriteBigEndian(digest.high, to);
  WriteBigEndian(digest.low, to + 8);
}

}  // namespace

const std::string& HashProblem() { return Api().library.problem(); }

std::string HashVersion() {
  const unsigned version = Api().versionNumber();
  return std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." + std::to_string(version % 100);
}

void Hash(Bytes bytes, uint8_t* digest) { WriteCanonical(Api().hash(bytes.data, bytes.length), digest); }

void HashPages(Bytes bytes, size_t page_bytes, uint8_t* digests) {
  for (size_t at = 0; at < bytes.length; at += std::min(page_bytes, bytes.length - at), digests += kDigestBytes) {
    Hash({bytes.data + at, std::min(page_bytes, bytes.length - at)}, digests);
  }
}

HashStream* HashStream::Create() {
  void* state = Api().createState();
  if (state == nullptr) return nullptr;
  Api().reset(state);
  return new HashStream(state);
}

HashStream::~HashStream() { Api().freeState(state_); }
void HashStream::Update(Bytes bytes) {
  // Older libraries refuse a null address even for no bytes.
  if (bytes.length > 0) Api().update(state_, bytes.data, bytes.length);
}
void HashStream::Digest(uint8_t* digest) const { WriteCanonical(Api().digest(state_), digest); }

}  // namespace dwcp
