#include "lz4.h"

#include "library.h"

// The stable part of lz4.h (1.9 and newer), declared here so that the build needs no development package.
extern "C" {
typedef union LZ4_stream_u LZ4_stream_t;
}

namespace dwcp {
namespace {

constexpr size_t kMaxPrefixBytes = 64 << 10;
constexpr int kDefaultAcceleration = 1;

struct Lz4 {
  Library library{"liblz4.so.1"};
  const char* (*versionString)();
  int (*compressBound)(int);
  LZ4_stream_t* (*createStream)();
  int (*freeStream)(LZ4_stream_t*);
  void (*resetStream)(LZ4_stream_t*);
  int (*loadDict)(LZ4_stream_t*, const char*, int);
  int (*compress)(LZ4_stream_t*, const char*, char*, int, int, int);
  int (*decompress)(const char*, char*, int, int, const char*, int);

  Lz4() {
    library.Bind(versionString, "LZ4_versionString");
    library.Bind(compressBound, "LZ4_compressBound");
    library.Bind(createStream, "LZ4_createStream");
    library.Bind(freeStream, "LZ4_freeStream");
    library.Bind(resetStream, "LZ4_resetStream_fast");
    library.Bind(loadDict, "LZ4_loadDict");
    library.Bind(compress, "LZ4_compress_fast_continue");
    library.Bind(decompress, "LZ4_decompress_safe_usingDict");
  }
};

const Lz4& Api() {
  // Never destroyed: threads may still compress while the process runs its exit handlers.
  static const Lz4& api = *new Lz4();
  return api;
}

struct FreeStream {
  void operator()(LZ4_stream_t* stream) const { Api().freeStream(stream); }
};

thread_local std::unique_ptr<LZ4_stream_t, FreeStream> compressor;

Bytes Tail(Bytes prefix) {
  if (prefix.length <= kMaxPrefixBytes) return prefix;
  return {prefix.data + (prefix.length - kMaxPrefixBytes), kMaxPrefixBytes};
}

const char* Chars(const uint8_t* data) {
  // JavaScript's empty arrays may have no address, and the library does arithmetic on it.
  return data != nullptr ? reinterpret_cast<const char*>(data) : "";
}

Outcome OutOfMemory(size_t bytes) {
  return Outcome::Failed(Fault::kOutOfMemory, "no memory for " + std::to_string(bytes) + " bytes");
}

// Every byte of a block adds at most 255 bytes: what declares more is refused before it is allocated.
Outcome RefuseLength(Bytes block, uint64_t length) {
  if (block.length <= kLz4MaxBytes + kLz4MaxBytes / 255 + 16 && length <= kLz4MaxBytes && length / 255 <= block.length) return {};
  return Outcome::Failed(Fault::kCorrupt, std::to_string(block.length) + " bytes cannot hold " + std::to_string(length));
}

}  // namespace

const std::string& Lz4Problem() { return Api().library.problem(); }
const char* Lz4Version() { return Api().versionString(); }

Outcome Lz4Compress(Bytes source, Bytes prefix) {
  const Lz4& lz4 = Api();
  if (source.length > kLz4MaxBytes) return Outcome::Failed(Fault::kTooLarge, "one LZ4 block holds at most 2113929216 bytes");
  if (!compressor) compressor.reset(lz4.createStream());
  const int bound = lz4.compressBound(static_cast<int>(source.length));
  Outcome outcome;
  if (!compressor || !outcome.bytes.Allocate(bound)) return OutOfMemory(bound);
  const Bytes tail = Tail(prefix);
  // loadDict begins with a full reset; without a prefix the cheap one is enough, since every job here ends well.
  if (tail.length > 0) {
    lz4.loadDict(compressor.get(), Chars(tail.data), static_cast<int>(tail.length));
  } else {
    lz4.resetStream(compressor.get());
  }
  const int written = lz4.compress(compressor.get(), Chars(source.data), reinterpret_cast<char*>(outcome.bytes.data()),
                                   static_cast<int>(source.length), bound, kDefaultAcceleration);
  if (written <= 0) {
    compressor.reset();
    return OutOfMemory(bound);
  }
  outcome.bytes.Shrink(written);
  return outcome;
}

Outcome Lz4Decompress(Bytes block, Bytes prefix, uint64_t length) {
  Outcome refused = RefuseLength(block, length);
  if (refused.fault != Fault::kNone) return refused;
  Buffer bytes;
  if (!bytes.Allocate(length)) return OutOfMemory(length);
  Outcome outcome = Lz4DecompressTo(block, prefix, bytes.data(), length);
  if (outcome.fault == Fault::kNone) outcome.bytes = std::move(bytes);
  return outcome;
}

Outcome Lz4DecompressTo(Bytes block, Bytes prefix, uint8_t* target, size_t length) {
  Outcome refused = RefuseLength(block, length);
  if (refused.fault != Fault::kNone) return refused;
  const Bytes tail = Tail(prefix);
  const int written = Api().decompress(Chars(block.data), reinterpret_cast<char*>(target), static_cast<int>(block.length),
                                       static_cast<int>(length), Chars(tail.data), static_cast<int>(tail.length));
  if (written < 0) return Outcome::Failed(Fault::kCorrupt, "a sequence leads out of the block, its output or its prefix");
  if (static_cast<uint64_t>(written) != length) {
    return Outcome::Failed(Fault::kCorrupt, "the block holds " + std::to_string(written) + " bytes instead of " + std::to_string(length));
  }
  return {};
}

}  // namespace dwcp
