#include "zstd.h"

#include <algorithm>
#include <bit>
#include <optional>

#include "library.h"
#include "stop.h"

// The stable part of zstd.h (1.4 and newer), declared here so that the build needs no development package.
extern "C" {
typedef struct ZSTD_CCtx_s ZSTD_CCtx;
typedef struct ZSTD_DCtx_s ZSTD_DCtx;
}

namespace dwcp {
namespace {

constexpr int kCompressionLevel = 100;       // ZSTD_c_compressionLevel
constexpr int kWindowLog = 101;              // ZSTD_c_windowLog
constexpr int kHashLog = 102;                // ZSTD_c_hashLog
constexpr int kChainLog = 103;               // ZSTD_c_chainLog
constexpr int kLongDistanceMatching = 160;   // ZSTD_c_enableLongDistanceMatching
constexpr int kResetSessionAndParameters = 3;
constexpr int kMinWindowLog = 10;
constexpr int kMaxWindowLog = sizeof(size_t) == 8 ? 31 : 30;
// A level's own tables are made for its own window: of a longer prefix they forget all but the end. Whole pages of sqlite guests took
// 47-64 % fewer bytes at level 3 with an entry for every four bytes of window than with the level's own tables.
constexpr int kWindowToTableLog = 2;
// From here on the level's own tables are larger.
constexpr int kFirstLevelOfLargeTables = 6;
constexpr int kMinTableLog = 16;
// The windows of the lower levels reach 2 to 4 MiB back: archives and images repeat themselves over much longer distances.
constexpr size_t kLongSourceBytes = 8 << 20;
constexpr int kFirstLevelOfFarMatches = 3;
// What decoders accept that were not told otherwise.
constexpr int kMaxPortableWindowLog = 27;
constexpr int kErrorMemoryAllocation = 64;
constexpr int kErrorDestinationTooSmall = 70;
constexpr unsigned long long kSizeUnknown = 0ULL - 1;
constexpr unsigned long long kSizeError = 0ULL - 2;
constexpr size_t kMaxBlockBytes = 128 << 10;
constexpr int kContinue = 0;                 // ZSTD_e_continue
constexpr int kEnd = 2;                      // ZSTD_e_end
// What is compressed between two looks at whether to stop: some 20 ms at most, by the speeds that zstd states for its levels. Taking
// less at once costs a copy of the source, and so what is no longer than this is compressed in one go.
constexpr size_t kQuickStepBytes = 4 << 20;
constexpr size_t kSlowStepBytes = kMaxBlockBytes;
// A context that one large job at a high level has blown up is not kept for the small jobs after it.
constexpr size_t kMaxKeptContextBytes = 64 << 20;

struct InBuffer {
  const void* source;
  size_t length;
  size_t at;
};
struct OutBuffer {
  void* target;
  size_t length;
  size_t at;
};

struct Zstd {
  Library library{"libzstd.so.1"};
  const char* (*versionString)();
  unsigned (*isError)(size_t);
  int (*getErrorCode)(size_t);
  const char* (*getErrorName)(size_t);
  size_t (*compressBound)(size_t);
  ZSTD_CCtx* (*createCCtx)();
  size_t (*freeCCtx)(ZSTD_CCtx*);
  size_t (*sizeofCCtx)(const ZSTD_CCtx*);
  size_t (*resetCCtx)(ZSTD_CCtx*, int);
  size_t (*setParameter)(ZSTD_CCtx*, int, int);
  size_t (*refPrefixC)(ZSTD_CCtx*, const void*, size_t);
  size_t (*compress2)(ZSTD_CCtx*, void*, size_t, const void*, size_t);
  size_t (*setPledgedSrcSize)(ZSTD_CCtx*, unsigned long long);
  size_t (*compressStream2)(ZSTD_CCtx*, OutBuffer*, InBuffer*, int);
  ZSTD_DCtx* (*createDCtx)();
  size_t (*freeDCtx)(ZSTD_DCtx*);
  size_t (*resetDCtx)(ZSTD_DCtx*, int);
  size_t (*refPrefixD)(ZSTD_DCtx*, const void*, size_t);
  size_t (*decompress)(ZSTD_DCtx*, void*, size_t, const void*, size_t);
  unsigned long long (*getFrameContentSize)(const void*, size_t);
  size_t (*findFrameCompressedSize)(const void*, size_t);

  Zstd() {
    library.Bind(versionString, "ZSTD_versionString");
    library.Bind(isError, "ZSTD_isError");
    library.Bind(getErrorCode, "ZSTD_getErrorCode");
    library.Bind(getErrorName, "ZSTD_getErrorName");
    library.Bind(compressBound, "ZSTD_compressBound");
    library.Bind(createCCtx, "ZSTD_createCCtx");
    library.Bind(freeCCtx, "ZSTD_freeCCtx");
    library.Bind(sizeofCCtx, "ZSTD_sizeof_CCtx");
    library.Bind(resetCCtx, "ZSTD_CCtx_reset");
    library.Bind(setParameter, "ZSTD_CCtx_setParameter");
    library.Bind(refPrefixC, "ZSTD_CCtx_refPrefix");
    library.Bind(compress2, "ZSTD_compress2");
    library.Bind(setPledgedSrcSize, "ZSTD_CCtx_setPledgedSrcSize");
    library.Bind(compressStream2, "ZSTD_compressStream2");
    library.Bind(createDCtx, "ZSTD_createDCtx");
    library.Bind(freeDCtx, "ZSTD_freeDCtx");
    library.Bind(resetDCtx, "ZSTD_DCtx_reset");
    library.Bind(refPrefixD, "ZSTD_DCtx_refPrefix");
    library.Bind(decompress, "ZSTD_decompressDCtx");
    library.Bind(getFrameContentSize, "ZSTD_getFrameContentSize");
    library.Bind(findFrameCompressedSize, "ZSTD_findFrameCompressedSize");
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

thread_local std::unique_ptr<ZSTD_CCtx, FreeCompressor> compressor;
thread_local std::unique_ptr<ZSTD_DCtx, FreeDecompressor> decompressor;

Outcome OutOfMemory(size_t bytes) {
  return Outcome::Failed(Fault::kOutOfMemory, "no memory for " + std::to_string(bytes) + " bytes");
}

bool StartsAsZstdFrame(Bytes frame) {
  return frame.length >= 4 && frame.data[0] == 0x28 && frame.data[1] == 0xb5 && frame.data[2] == 0x2f && frame.data[3] == 0xfd;
}

// What the frame can decode to at most, when its header does not say: the sizes of its blocks, as RFC 8878 § 3.1.1.2 bounds them.
uint64_t ContentBound(Bytes frame) {
  const uint8_t descriptor = frame.data[4];
  const size_t dictionary_bytes = (descriptor & 3) == 3 ? 4 : descriptor & 3;
  uint64_t bound = 0;
  // Only frames without a content size come here: they have a window byte. findFrameCompressedSize has checked every block's extent.
  for (size_t at = 6 + dictionary_bytes; at + 3 <= frame.length;) {
    const uint32_t header = frame.data[at] | frame.data[at + 1] << 8 | frame.data[at + 2] << 16;
    const uint32_t kind = header >> 1 & 3;
    const uint32_t size = header >> 3;
    bound += kind == 2 ? kMaxBlockBytes : size;
    if (header & 1) break;
    at += 3 + (kind == 1 ? 1 : size);
  }
  return bound;
}

// As compress2, or nothing when the job was stopped half-way.
std::optional<size_t> Compress(ZSTD_CCtx* context, Buffer& target, Bytes source, int level) {
  const Zstd& zstd = Api();
  const size_t step = level < kFirstLevelOfLargeTables ? kQuickStepBytes : kSlowStepBytes;
  if (source.length <= step) return zstd.compress2(context, target.data(), target.length(), source.data, source.length);
  size_t result = zstd.setPledgedSrcSize(context, source.length);
  OutBuffer out{target.data(), target.length(), 0};
  // The target holds whatever zstd makes of the source: each turn takes all that it is given.
  for (InBuffer in{source.data, 0, 0}; in.at < source.length && !zstd.isError(result);) {
    if (IsStopped()) return std::nullopt;
    in.length = std::min(in.length + step, source.length);
    result = zstd.compressStream2(context, &out, &in, in.length == source.length ? kEnd : kContinue);
  }
  return zstd.isError(result) ? result : out.at;
}

}  // namespace

const std::string& ZstdProblem() { return Api().library.problem(); }
const char* ZstdVersion() { return Api().versionString(); }

Outcome ZstdCompress(Bytes source, Bytes prefix, int level, LongDistance matching, int max_table_log) {
  const Zstd& zstd = Api();
  if (!compressor) compressor.reset(zstd.createCCtx());
  const size_t bound = zstd.compressBound(source.length);
  if (zstd.isError(bound)) return Outcome::Failed(Fault::kTooLarge, zstd.getErrorName(bound));
  Outcome outcome;
  if (!compressor || !outcome.bytes.Allocate(bound)) return OutOfMemory(bound);

  ZSTD_CCtx* context = compressor.get();
  zstd.resetCCtx(context, kResetSessionAndParameters);
  bool is_stopped = false;
  size_t result = zstd.setParameter(context, kCompressionLevel, level);
  if (!zstd.isError(result) && prefix.length > 0) {
    // The level's own window may not reach back over the whole prefix.
    const int window_log = std::clamp<int>(std::bit_width(source.length + prefix.length), kMinWindowLog, kMaxWindowLog);
    result = zstd.setParameter(context, kWindowLog, window_log);
    const int table_log = std::clamp(window_log - kWindowToTableLog, kMinTableLog, max_table_log);
    const bool is_tuned = level < kFirstLevelOfLargeTables;
    if (is_tuned && !zstd.isError(result)) result = zstd.setParameter(context, kHashLog, table_log);
    if (is_tuned && !zstd.isError(result)) result = zstd.setParameter(context, kChainLog, table_log);
    if (matching == LongDistance::kYes && !zstd.isError(result)) result = zstd.setParameter(context, kLongDistanceMatching, 1);
    if (!zstd.isError(result)) result = zstd.refPrefixC(context, prefix.data, prefix.length);
  }
  if (!zstd.isError(result) && prefix.length == 0 && source.length > kLongSourceBytes && level >= kFirstLevelOfFarMatches) {
    const int window_log = std::clamp<int>(std::bit_width(source.length), kMinWindowLog, kMaxPortableWindowLog);
    result = zstd.setParameter(context, kWindowLog, window_log);
    if (!zstd.isError(result)) result = zstd.setParameter(context, kLongDistanceMatching, 1);
  }
  if (!zstd.isError(result)) {
    const std::optional<size_t> compressed = Compress(context, outcome.bytes, source, level);
    is_stopped = !compressed;
    result = compressed.value_or(0);
  }
  // A prefix is borrowed: nothing may point at it after this call, also when it failed half-way.
  zstd.resetCCtx(context, kResetSessionAndParameters);
  if (zstd.sizeofCCtx(context) > kMaxKeptContextBytes) compressor.reset();
  if (is_stopped) return Stopped();
  if (zstd.isError(result)) return Outcome::Failed(Fault::kOutOfMemory, zstd.getErrorName(result));
  outcome.bytes.Shrink(result);
  return outcome;
}

namespace {

// What the frame's head declares, or kSizeUnknown, in `declared`; anything but one whole frame of at most `max_bytes` is refused.
Outcome CheckFrame(Bytes frame, uint64_t max_bytes, uint64_t& declared) {
  const Zstd& zstd = Api();
  if (!StartsAsZstdFrame(frame)) return Outcome::Failed(Fault::kCorrupt, "does not start with the magic number of zstd");
  declared = zstd.getFrameContentSize(frame.data, frame.length);
  if (declared == kSizeError) return Outcome::Failed(Fault::kCorrupt, "the frame header is malformed or cut off");
  if (declared != kSizeUnknown && declared > max_bytes) {
    return Outcome::Failed(Fault::kTooLarge, "the frame declares " + std::to_string(declared) + " bytes");
  }
  const size_t extent = zstd.findFrameCompressedSize(frame.data, frame.length);
  if (zstd.isError(extent)) return Outcome::Failed(Fault::kCorrupt, zstd.getErrorName(extent));
  if (extent != frame.length) return Outcome::Failed(Fault::kCorrupt, std::to_string(frame.length - extent) + " bytes follow the frame");
  return {};
}

// `written` is how many bytes of the room were needed.
Outcome Decompress(Bytes frame, Bytes prefix, uint8_t* target, size_t room, bool is_declared, size_t& written) {
  const Zstd& zstd = Api();
  if (!decompressor) decompressor.reset(zstd.createDCtx());
  if (!decompressor) return OutOfMemory(room);
  ZSTD_DCtx* context = decompressor.get();
  written = 0;
  if (prefix.length > 0) written = zstd.refPrefixD(context, prefix.data, prefix.length);
  if (!zstd.isError(written)) written = zstd.decompress(context, target, room, frame.data, frame.length);
  zstd.resetDCtx(context, kResetSessionAndParameters);
  if (!zstd.isError(written)) return {};
  const int code = zstd.getErrorCode(written);
  if (code == kErrorMemoryAllocation) return OutOfMemory(room);
  const bool past_limit = code == kErrorDestinationTooSmall && !is_declared;
  return Outcome::Failed(past_limit ? Fault::kTooLarge : Fault::kCorrupt, zstd.getErrorName(written));
}

}  // namespace

Outcome ZstdDecompress(Bytes frame, Bytes prefix, uint64_t max_bytes) {
  uint64_t declared = 0;
  Outcome outcome = CheckFrame(frame, max_bytes, declared);
  if (outcome.fault != Fault::kNone) return outcome;
  const uint64_t capacity = declared == kSizeUnknown ? std::min(ContentBound(frame), max_bytes) : declared;
  Buffer bytes;
  if (capacity > SIZE_MAX || !bytes.Allocate(capacity)) return OutOfMemory(capacity);
  size_t written = 0;
  outcome = Decompress(frame, prefix, bytes.data(), capacity, declared != kSizeUnknown, written);
  if (outcome.fault != Fault::kNone) return outcome;
  if (written < capacity) bytes.Shrink(written);
  outcome.bytes = std::move(bytes);
  return outcome;
}

Outcome ZstdDecompressTo(Bytes frame, Bytes prefix, uint8_t* target, size_t length) {
  uint64_t declared = 0;
  Outcome outcome = CheckFrame(frame, length, declared);
  size_t written = 0;
  if (outcome.fault == Fault::kNone) outcome = Decompress(frame, prefix, target, length, declared != kSizeUnknown, written);
  if (outcome.fault == Fault::kTooLarge || (outcome.fault == Fault::kNone && written != length)) {
    return Outcome::Failed(Fault::kCorrupt, "the frame is not of " + std::to_string(length) + " bytes");
  }
  return outcome;
}

}  // namespace dwcp
