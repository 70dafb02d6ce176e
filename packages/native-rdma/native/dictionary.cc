#include "dictionary.h"

#include <cstring>
#include <numeric>
#include <vector>

#include "library.h"

// The stable part of zstd.h and zdict.h (1.4 and newer), declared here so that the build needs no development package.
extern "C" {
typedef struct ZSTD_CCtx_s ZSTD_CCtx;
typedef struct ZSTD_DCtx_s ZSTD_DCtx;
typedef struct ZSTD_CDict_s ZSTD_CDict;
typedef struct ZSTD_DDict_s ZSTD_DDict;
}

namespace dwcp {
namespace {

constexpr int kDictionaryIdFlag = 202;  // ZSTD_c_dictIDFlag
constexpr int kResetSessionAndParameters = 3;
constexpr unsigned long long kLastSize = 0ULL - 3;  // Above: unknown, or an error.

struct Zstd {
  Library library{"libzstd.so.1"};
  unsigned (*isError)(size_t);
  const char* (*getErrorName)(size_t);
  size_t (*compressBound)(size_t);
  ZSTD_CCtx* (*createCCtx)();
  size_t (*freeCCtx)(ZSTD_CCtx*);
  size_t (*resetCCtx)(ZSTD_CCtx*, int);
  size_t (*setParameter)(ZSTD_CCtx*, int, int);
  size_t (*compress2)(ZSTD_CCtx*, void*, size_t, const void*, size_t);
  ZSTD_DCtx* (*createDCtx)();
  size_t (*freeDCtx)(ZSTD_DCtx*);
  unsigned long long (*getFrameContentSize)(const void*, size_t);
  size_t (*findFrameCompressedSize)(const void*, size_t);
  ZSTD_CDict* (*createCDict)(const void*, size_t, int);
  size_t (*freeCDict)(ZSTD_CDict*);
  size_t (*refCDict)(ZSTD_CCtx*, const ZSTD_CDict*);
  ZSTD_DDict* (*createDDict)(const void*, size_t);
  size_t (*freeDDict)(ZSTD_DDict*);
  size_t (*decompressWith)(ZSTD_DCtx*, void*, size_t, const void*, size_t, const ZSTD_DDict*);
  size_t (*train)(void*, size_t, const void*, const size_t*, unsigned);
  unsigned (*isTrainingError)(size_t);
  const char* (*getTrainingErrorName)(size_t);

  Zstd() {
    library.Bind(isError, "ZSTD_isError");
    library.Bind(getErrorName, "ZSTD_getErrorName");
    library.Bind(compressBound, "ZSTD_compressBound");
    library.Bind(createCCtx, "ZSTD_createCCtx");
    library.Bind(freeCCtx, "ZSTD_freeCCtx");
    library.Bind(resetCCtx, "ZSTD_CCtx_reset");
    library.Bind(setParameter, "ZSTD_CCtx_setParameter");
    library.Bind(compress2, "ZSTD_compress2");
    library.Bind(createDCtx, "ZSTD_createDCtx");
    library.Bind(freeDCtx, "ZSTD_freeDCtx");
    library.Bind(getFrameContentSize, "ZSTD_getFrameContentSize");
    library.Bind(findFrameCompressedSize, "ZSTD_findFrameCompressedSize");
    library.Bind(createCDict, "ZSTD_createCDict");
    library.Bind(freeCDict, "ZSTD_freeCDict");
    library.Bind(refCDict, "ZSTD_CCtx_refCDict");
    library.Bind(createDDict, "ZSTD_createDDict");
    library.Bind(freeDDict, "ZSTD_freeDDict");
    library.Bind(decompressWith, "ZSTD_decompress_usingDDict");
    library.Bind(train, "ZDICT_trainFromBuffer");
    library.Bind(isTrainingError, "ZDICT_isError");
    library.Bind(getTrainingErrorName, "ZDICT_getErrorName");
  }
};

const Zstd& Api() {
  // Never destroyed: threads may still compress while the process runs its exit handlers.
  static const Zstd& api = *new Zstd();
  return api;
}

struct FreeCompressor {
  void operator()(ZSTD_CCtx* context) const { Api().freeCCtx(context); }
};
struct FreeDecompressor {
  void operator()(ZSTD_DCtx* context) const { Api().freeDCtx(context); }
};
struct FreeCDict {
  void operator()(ZSTD_CDict* dictionary) const { Api().freeCDict(dictionary); }
};
struct FreeDDict {
  void operator()(ZSTD_DDict* dictionary) const { Api().freeDDict(dictionary); }
};

thread_local std::unique_ptr<ZSTD_CCtx, FreeCompressor> compressor;
thread_local std::unique_ptr<ZSTD_DCtx, FreeDecompressor> decompressor;

// The dictionary that this thread used last, digested: to compare 16 KiB costs a microsecond, to digest them a hundred.
template <class Digested, class Release>
struct Latest {
  std::vector<uint8_t> bytes;
  int level = 0;
  std::unique_ptr<Digested, Release> digested;

  bool Is(Bytes dictionary, int wanted) const {
    return digested && level == wanted && bytes.size() == dictionary.length &&
           (dictionary.length == 0 || std::memcmp(bytes.data(), dictionary.data, dictionary.length) == 0);
  }

  Digested* Keep(Bytes dictionary, int wanted, Digested* made) {
    bytes.assign(dictionary.data, dictionary.data + dictionary.length);
    level = wanted;
    digested.reset(made);
    return made;
  }
};

thread_local Latest<ZSTD_CDict, FreeCDict> latest_compressing;
thread_local Latest<ZSTD_DDict, FreeDDict> latest_decompressing;

ZSTD_CDict* CompressingDictionary(Bytes dictionary, int level) {
  if (latest_compressing.Is(dictionary, level)) return latest_compressing.digested.get();
  return latest_compressing.Keep(dictionary, level, Api().createCDict(dictionary.data, dictionary.length, level));
}

ZSTD_DDict* DecompressingDictionary(Bytes dictionary) {
  if (latest_decompressing.Is(dictionary, 0)) return latest_decompressing.digested.get();
  return latest_decompressing.Keep(dictionary, 0, Api().createDDict(dictionary.data, dictionary.length));
}

Outcome NotADictionary() { return Outcome::Failed(Fault::kCorrupt, "the dictionary is not one, or there is no memory for it"); }

}  // namespace

const std::string& DictionaryProblem() { return Api().library.problem(); }

Outcome TrainDictionary(Bytes samples, Bytes lengths, size_t max_bytes) {
  const Zstd& zstd = Api();
  std::vector<size_t> sizes;
  for (size_t at = 0; at + sizeof(uint32_t) <= lengths.length; at += sizeof(uint32_t)) {
    uint32_t size = 0;
    std::memcpy(&size, lengths.data + at, sizeof size);
    sizes.push_back(size);
  }
  if (std::accumulate(sizes.begin(), sizes.end(), uint64_t{0}) != samples.length) {
    return Outcome::Failed(Fault::kCorrupt, "the samples are not as long together as their lengths");
  }
  Outcome outcome;
  if (!outcome.bytes.Allocate(max_bytes)) return Outcome::Failed(Fault::kOutOfMemory, "no memory for a dictionary");
  const size_t result = zstd.train(outcome.bytes.data(), max_bytes, samples.data, sizes.data(), static_cast<unsigned>(sizes.size()));
  if (zstd.isTrainingError(result)) return Outcome::Failed(Fault::kUnavailable, zstd.getTrainingErrorName(result));
  outcome.bytes.Shrink(result);
  return outcome;
}

Outcome DictionaryCompress(Bytes source, Bytes dictionary, int level) {
  const Zstd& zstd = Api();
  if (!compressor) compressor.reset(zstd.createCCtx());
  const size_t bound = zstd.compressBound(source.length);
  if (zstd.isError(bound)) return Outcome::Failed(Fault::kTooLarge, zstd.getErrorName(bound));
  Outcome outcome;
  if (!compressor || !outcome.bytes.Allocate(bound)) return Outcome::Failed(Fault::kOutOfMemory, "no memory to compress");
  ZSTD_CDict* digested = CompressingDictionary(dictionary, level);
  if (digested == nullptr) return NotADictionary();
  ZSTD_CCtx* context = compressor.get();
  size_t result = zstd.setParameter(context, kDictionaryIdFlag, 0);
  if (!zstd.isError(result)) result = zstd.refCDict(context, digested);
  if (!zstd.isError(result)) result = zstd.compress2(context, outcome.bytes.data(), bound, source.data, source.length);
  zstd.resetCCtx(context, kResetSessionAndParameters);
  if (zstd.isError(result)) return Outcome::Failed(Fault::kOutOfMemory, zstd.getErrorName(result));
  outcome.bytes.Shrink(result);
  return outcome;
}

Outcome DictionaryDecompress(Bytes frame, Bytes dictionary, uint64_t max_bytes) {
  const Zstd& zstd = Api();
  const unsigned long long declared = zstd.getFrameContentSize(frame.data, frame.length);
  if (declared > kLastSize) return Outcome::Failed(Fault::kCorrupt, "the frame header is malformed, cut off, or says no content size");
  if (declared > max_bytes) return Outcome::Failed(Fault::kTooLarge, "the frame declares " + std::to_string(declared) + " bytes");
  const size_t extent = zstd.findFrameCompressedSize(frame.data, frame.length);
  if (zstd.isError(extent)) return Outcome::Failed(Fault::kCorrupt, zstd.getErrorName(extent));
  if (extent != frame.length) return Outcome::Failed(Fault::kCorrupt, std::to_string(frame.length - extent) + " bytes follow the frame");
  if (!decompressor) decompressor.reset(zstd.createDCtx());
  Outcome outcome;
  if (!decompressor || declared > SIZE_MAX || !outcome.bytes.Allocate(declared)) {
    return Outcome::Failed(Fault::kOutOfMemory, "no memory for " + std::to_string(declared) + " bytes");
  }
  ZSTD_DDict* digested = DecompressingDictionary(dictionary);
  if (digested == nullptr) return NotADictionary();
  const size_t result = zstd.decompressWith(decompressor.get(), outcome.bytes.data(), declared, frame.data, frame.length, digested);
  if (zstd.isError(result)) return Outcome::Failed(Fault::kCorrupt, zstd.getErrorName(result));
  // A skippable frame declares 0 and gives 0: no zstd frame of ours, and nothing to give. Formats before 0.8, where the library still
  // knows them, may give less than they declare: what was not written must not get out.
  if (result != declared) return Outcome::Failed(Fault::kCorrupt, "the frame holds less than it declares");
  return outcome;
}

}  // namespace dwcp
