#pragma once

#include <memory>

#include "outcome.h"

namespace dwcp {

constexpr size_t kDigestBytes = 16;

// Empty when libxxhash can be used.
const std::string& HashProblem();
std::string HashVersion();

// XXH3-128 in the canonical (big-endian) form. The caller has checked that HashProblem() is empty.
void Hash(Bytes bytes, uint8_t* digest);

// One digest for each page, the last of which may be short; `digests` has room for them.
void HashPages(Bytes bytes, size_t page_bytes, uint8_t* digests);

class HashStream {
 public:
  // Null when there is no memory.
  static HashStream* Create();
  ~HashStream();
  void Update(Bytes bytes);
  void Digest(uint8_t* digest) const;

 private:
  explicit HashStream(void* state) : state_(state) {}
  HashStream(const HashStream&) = delete;
  void* state_;
};

}  // namespace dwcp
