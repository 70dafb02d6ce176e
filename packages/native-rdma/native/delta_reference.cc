#include <array>

#include "delta.h"
#include "delta_copies.h"
#include "delta_script.h"

namespace dwcp {
namespace {

// Where all would be too much, a longer stretch lends only its two ends.
constexpr size_t kLongBytes = 1 << 20;
// Above this many bytes for each literal the reference costs more time than it saves.
constexpr uint64_t kBytesPerLiteral = 16;
constexpr uint64_t kSpareBytes = 64 << 10;

uint64_t LengthOf(const Grown<DeltaStretch>& stretches) {
  uint64_t length = 0;
  for (const DeltaStretch& stretch : stretches) length += stretch.length;
  return length;
}

Grown<DeltaStretch> EndsOf(const Grown<DeltaStretch>& stretches) {
  Grown<DeltaStretch> ends;
  for (const DeltaStretch& stretch : stretches) {
    if (stretch.length <= kLongBytes) {
      ends.Append(stretch);
    } else {
      ends.Append({stretch.at, kLongBytes / 2});
      ends.Append({stretch.at + stretch.length - kLongBytes / 2, kLongBytes / 2});
    }
  }
  return ends;
}

Outcome Gathered(const Grown<DeltaStretch>& stretches, Bytes base) {
  Outcome outcome;
  if (stretches.failed() || !outcome.bytes.Allocate(LengthOf(stretches))) {
    return Outcome::Failed(Fault::kOutOfMemory, "no memory for the reference");
  }
  uint8_t* at = outcome.bytes.data();
  for (const DeltaStretch& stretch : stretches) {
    std::memcpy(at, base.data + stretch.at, stretch.length);
    at += stretch.length;
  }
  return outcome;
}

Outcome Corrupt(const char* what) { return Outcome::Failed(Fault::kCorrupt, what); }

}  // namespace

Outcome Reference(Bytes script, Bytes base, int64_t position, uint64_t length, uint64_t literal_bytes) {
  std::array<Bytes, kScriptStreams> parts;
  if (!SplitScript(script, parts)) return Corrupt("its streams are not as long as it is");
  VarintReader literal_lengths(parts[kLiteralLengths]), copy_lengths(parts[kCopyLengths]), shifts(parts[kShifts]);
  CopiedPieces pieces;
  if (!pieces.Reserve(base.length)) return Outcome::Failed(Fault::kOutOfMemory, "no memory for the reference");
  int64_t shift = 0;
  for (uint64_t at = 0; !copy_lengths.AtEnd();) {
    uint64_t literals = 0, count = 0;
    int64_t change = 0;
    if (!literal_lengths.Varint(literals) || !copy_lengths.Varint(count) || !shifts.Zigzag(change)) return Corrupt("its operations end early");
    // Together they copy no more than the target holds, which also bounds what is done here.
    if (literals > length - at || count == 0 || count > length - at - literals) return Corrupt("a copy past the end");
    at += literals;
    shift += change;
    if (shift < -kMaxNumber || shift > kMaxNumber) return Corrupt("a copy from outside the base");
    const uint64_t source = static_cast<uint64_t>(position) + at + static_cast<uint64_t>(shift);
    if (source > base.length || count > base.length - source) return Corrupt("a copy from outside the base");
    pieces.Mark(source, count);
    at += count;
  }
  const uint64_t most = literal_bytes * kBytesPerLiteral + kSpareBytes;
  const Grown<DeltaStretch> stretches = pieces.StretchesLeft();
  if (LengthOf(stretches) <= most) return Gathered(stretches, base);
  const Grown<DeltaStretch> ends = EndsOf(stretches);
  return LengthOf(ends) <= most ? Gathered(ends, base) : Gathered({}, base);
}

}  // namespace dwcp
