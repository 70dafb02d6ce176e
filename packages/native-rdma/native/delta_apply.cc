#include <array>

#include "delta.h"
#include "delta_script.h"
#include "stop.h"

namespace dwcp {
namespace {

// Between two looks at whether to stop.
constexpr size_t kStepBytes = 1 << 20;

// The next patch, read ahead; beyond the target when there is none.
struct Patch {
  uint64_t at = 0;
  bool is_there = false;

  bool Next(VarintReader& gaps, uint64_t after) {
    is_there = !gaps.AtEnd();
    uint64_t gap = 0;
    if (is_there && !gaps.Varint(gap)) return false;
    at = after + gap;
    return true;
  }
};

Outcome Corrupt(const char* what) { return Outcome::Failed(Fault::kCorrupt, what); }

}  // namespace

Outcome Apply(Bytes script, Bytes base, int64_t position, uint64_t length) {
  std::array<Bytes, kScriptStreams> parts;
  if (!SplitScript(script, parts)) return Corrupt("its streams are not as long as it is");
  VarintReader literal_lengths(parts[kLiteralLengths]), copy_lengths(parts[kCopyLengths]), shifts(parts[kShifts]);
  VarintReader gaps(parts[kPatchGaps]), values(parts[kPatchValues]), literals(parts[kLiterals]);

  Outcome outcome;
  if (length > SIZE_MAX || !outcome.bytes.Allocate(length)) {
    return Outcome::Failed(Fault::kOutOfMemory, "no memory for " + std::to_string(length) + " bytes");
  }
  uint8_t* target = outcome.bytes.data();
  Patch patch;
  if (!patch.Next(gaps, 0)) return Corrupt("a patch is cut off");
  int64_t shift = 0;
  uint64_t looked = 0;
  for (uint64_t at = 0; at < length;) {
    if (at - looked >= kStepBytes) {
      if (IsStopped()) return Stopped();
      looked = at;
    }
    uint64_t count = 0;
    if (!literal_lengths.Varint(count)) return Corrupt("its operations end early");
    const uint8_t* bytes = count <= length - at ? literals.Take(count) : nullptr;
    if (bytes == nullptr) return Corrupt("literals past their end");
    if (count > 0) std::memcpy(target + at, bytes, count);
    at += count;
    if (at == length) break;
    int64_t change = 0;
    if (!copy_lengths.Varint(count) || !shifts.Zigzag(change)) return Corrupt("its operations end early");
    if (count == 0 || count > length - at) return Corrupt("a copy past the end");
    shift += change;
    if (shift < -kMaxNumber || shift > kMaxNumber) return Corrupt("a copy from outside the base");
    // A source before the base wraps, and is past its end then.
    const uint64_t source = static_cast<uint64_t>(position) + at + static_cast<uint64_t>(shift);
    if (source > base.length || count > base.length - source) return Corrupt("a copy from outside the base");
    std::memcpy(target + at, base.data + source, count);
    const uint64_t end = at + count;
    // Bounded by the stream of gaps.
    while (patch.is_there && patch.at < end) {
      if (patch.at < at) return Corrupt("a patch to what is not a copy");
      uint8_t* here = target + patch.at;
      const bool whole = patch.at + kPatchBytes <= end;
      if (whole) {
        int64_t value = 0;
        if (!values.Zigzag(value)) return Corrupt("its patches end early");
        Store32(here, Load32(here) + static_cast<uint32_t>(value));
      } else {
        const uint8_t* value = values.Take(1);
        if (value == nullptr) return Corrupt("its patches end early");
        *here += *value;
      }
      if (!patch.Next(gaps, patch.at + (whole ? kPatchBytes : 1))) return Corrupt("a patch is cut off");
    }
    at = end;
  }
  const bool is_used_up = literal_lengths.AtEnd() && copy_lengths.AtEnd() && shifts.AtEnd() && literals.AtEnd() && values.AtEnd();
  if (!is_used_up || patch.is_there) return Corrupt("more than its length needs");
  return outcome;
}

}  // namespace dwcp
