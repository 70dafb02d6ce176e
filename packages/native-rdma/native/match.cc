#include "match.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <memory>

#include "stop.h"

namespace dwcp {
namespace {

// Compared at once where a match may be.
constexpr size_t kSeedBytes = 16;
struct Search {
  // Between the places of the base that are indexed. 16 still finds every match of 32 bytes; less finds better ones.
  size_t stride;
  // A shorter match elsewhere costs more to point at than its bytes cost as literals; the better these are compressed, the longer.
  size_t min_moved_bytes;
  // After 2^so many places without a match each step is longer by one.
  int skip_shift;
};
// Measured on releases of programs and texts.
constexpr std::array<Search, 3> kSearches = {Search{16, 32, 7}, Search{8, 32, 63}, Search{4, 48, 63}};
constexpr size_t kMaxIndexEntries = 1 << 24;
// How far a copy goes on over bytes that differ: while, from its best end, no more than this many mismatches outweigh the matches
// (after bsdiff, Percival 2003). What differs is patched.
constexpr int64_t kPatience = 24;
// In matching bytes: a patch is several bytes long, and noise that is half the same by chance must not be patched.
constexpr int64_t kMismatchCost = 3;
constexpr int64_t kEnoughBytes = 32;
constexpr size_t kMaxBackwardBytes = 4096;
// Between two looks at whether to stop.
constexpr size_t kStepBytes = 1 << 20;
constexpr size_t kStreams = 6;
constexpr size_t kHeaderBytes = kStreams * 8;
constexpr size_t kPatchBytes = 4;
// What JavaScript counts exactly: its twin refuses the same scripts.
constexpr int64_t kMaxNumber = (int64_t{1} << 53) - 1;

uint64_t Load64(const uint8_t* at) {
  uint64_t value;
  std::memcpy(&value, at, 8);
  if constexpr (std::endian::native == std::endian::big) value = __builtin_bswap64(value);
  return value;
}

uint32_t Load32(const uint8_t* at) {
  return at[0] | at[1] << 8 | at[2] << 16 | static_cast<uint32_t>(at[3]) << 24;
}

void Store32(uint8_t* at, uint32_t value) {
  for (int i = 0; i < 4; ++i) at[i] = value >> (8 * i);
}

void Store64(uint8_t* at, uint64_t value) {
  for (int i = 0; i < 8; ++i) at[i] = value >> (8 * i);
}

// Grows without exceptions, which the addon is built without.
class Stream {
 public:
  void Byte(uint8_t value) { Append(&value, 1); }

  void Append(const uint8_t* bytes, size_t length) {
    if (length > capacity_ - length_ && !Grow(length)) return;
    if (length > 0) std::memcpy(data_.get() + length_, bytes, length);
    length_ += length;
  }

  void Varint(uint64_t value) {
    uint8_t bytes[10];
    size_t length = 0;
    for (; value >= 128; value >>= 7) bytes[length++] = value | 128;
    bytes[length++] = value;
    Append(bytes, length);
  }

  void Zigzag(int64_t value) { Varint(static_cast<uint64_t>(value) << 1 ^ static_cast<uint64_t>(value >> 63)); }

  bool failed() const { return failed_; }
  const uint8_t* data() const { return data_.get(); }
  size_t length() const { return length_; }

 private:
  bool Grow(size_t more) {
    const size_t wanted = std::max(capacity_ * 2, length_ + more + 4096);
    auto* grown = failed_ ? nullptr : static_cast<uint8_t*>(std::realloc(data_.get(), wanted));
    failed_ = grown == nullptr;
    if (failed_) return false;
    data_.release();
    data_.reset(grown);
    capacity_ = wanted;
    return true;
  }

  std::unique_ptr<uint8_t, Free> data_;
  size_t length_ = 0;
  size_t capacity_ = 0;
  bool failed_ = false;
};

// Where 16 bytes were last seen in the base, at every `stride` bytes of it.
class Index {
 public:
  bool Build(Bytes base, size_t stride) {
    base_ = base;
    stride_ = std::max(stride, std::bit_ceil(base.length / kMaxIndexEntries + 1));
    const size_t entries = base.length / stride_ + 1;
    bits_ = std::clamp<int>(std::bit_width(entries), 12, 32);
    table_.reset(static_cast<uint8_t*>(std::calloc(size_t{1} << bits_, sizeof(uint32_t))));
    if (!table_) return false;
    auto* table = reinterpret_cast<uint32_t*>(table_.get());
    for (size_t at = 0; at + kSeedBytes <= base.length; at += stride_) {
      if (at % kStepBytes == 0 && IsStopped()) return true;
      if (!IsRun(at)) table[Slot(base.data + at)] = at / stride_ + 1;
    }
    return true;
  }

  // A place whose first 16 bytes are those at `bytes`, or SIZE_MAX.
  size_t Find(const uint8_t* bytes) const {
    const uint32_t entry = reinterpret_cast<const uint32_t*>(table_.get())[Slot(bytes)];
    if (entry == 0) return SIZE_MAX;
    const size_t at = size_t{entry - 1} * stride_;
    const uint8_t* there = base_.data + at;
    return Load64(bytes) == Load64(there) && Load64(bytes + 8) == Load64(there + 8) ? at : SIZE_MAX;
  }

 private:
  // Inside a repetition every place is like the one before: the first stands for all.
  bool IsRun(size_t at) const {
    if (at < 64) return false;
    const uint8_t* here = base_.data + at;
    return Load64(here) == Load64(here - 8) && Load64(here + 8) == Load64(here);
  }

  size_t Slot(const uint8_t* bytes) const {
    uint64_t mixed = Load64(bytes) * 0x9e3779b97f4a7c15 ^ (Load64(bytes + 8) + 0x7f4a7c15) * 0xc2b2ae3d27d4eb4f;
    mixed = (mixed ^ mixed >> 29) * 0xff51afd7ed558ccd;
    return mixed >> (64 - bits_);
  }

  Bytes base_;
  size_t stride_ = 1;
  int bits_ = 12;
  std::unique_ptr<uint8_t, Free> table_;
};

size_t EqualBytes(const uint8_t* one, const uint8_t* other, size_t most) {
  size_t length = 0;
  for (; length + 8 <= most; length += 8) {
    const uint64_t different = Load64(one + length) ^ Load64(other + length);
    if (different != 0) return length + std::countr_zero(different) / 8;
  }
  while (length < most && one[length] == other[length]) ++length;
  return length;
}

size_t EqualBytesBefore(const uint8_t* one, const uint8_t* other, size_t most) {
  size_t length = 0;
  while (length < most && one[-1 - static_cast<ptrdiff_t>(length)] == other[-1 - static_cast<ptrdiff_t>(length)]) ++length;
  return length;
}

class Matcher {
 public:
  Matcher(Bytes target, Bytes base, int64_t position, int effort)
      : target_(target), base_(base), position_(position), search_(kSearches[std::clamp(effort, 0, 2)]) {}

  Outcome Run() {
    if (!index_.Build(base_, search_.stride)) return Outcome::Failed(Fault::kOutOfMemory, "no memory for the index of the base");
    size_t misses = 0;
    size_t looked = 0;
    for (size_t at = 0; at + kSeedBytes <= target_.length;) {
      if (at - looked >= kStepBytes) {
        if (IsStopped()) return Stopped();
        looked = at;
      }
      const size_t source = SourceOf(at);
      if (source == SIZE_MAX || !Copy(at, source)) {
        at += 1 + (misses++ >> search_.skip_shift);
        continue;
      }
      misses = 0;
      at = done_;
    }
    if (done_ < target_.length) Literals(target_.length);
    return Gathered();
  }

 private:
  // Where the last copy would go on, or else where the index knows the content.
  size_t SourceOf(size_t at) const {
    const int64_t straight = position_ + static_cast<int64_t>(at) + shift_;
    if (straight >= 0 && base_.length >= kSeedBytes && static_cast<uint64_t>(straight) <= base_.length - kSeedBytes) {
      const uint8_t* there = base_.data + straight;
      if (Load64(target_.data + at) == Load64(there) && Load64(target_.data + at + 8) == Load64(there + 8)) return straight;
    }
    return index_.Find(target_.data + at);
  }

  bool Copy(size_t at, size_t source) {
    size_t forward = EqualBytes(target_.data + at, base_.data + source, Room(at, source));
    size_t backward = EqualBytesBefore(target_.data + at, base_.data + source, std::min(at - done_, source));
    const int64_t shift = static_cast<int64_t>(source) - position_ - static_cast<int64_t>(at);
    if (forward + backward < search_.min_moved_bytes && shift != shift_) return false;
    backward += SimilarBefore(at - backward, source - backward);
    // Bounded by the target: each turn takes at least one byte of it.
    for (size_t more = SimilarAfter(at + forward, source + forward); more > 0; more = SimilarAfter(at + forward, source + forward)) {
      forward += more;
      forward += EqualBytes(target_.data + at + forward, base_.data + source + forward, Room(at + forward, source + forward));
    }
    Literals(at - backward);
    copy_lengths_.Varint(backward + forward);
    shifts_.Zigzag(shift - shift_);
    shift_ = shift;
    Patches(at - backward, source - backward, backward + forward);
    done_ = at + forward;
    return true;
  }

  size_t Room(size_t at, size_t source) const { return std::min(target_.length - at, base_.length - source); }

  size_t SimilarAfter(size_t at, size_t source) const {
    int64_t score = 0, best = 0;
    size_t length = 0;
    const size_t room = Room(at, source);
    for (size_t k = 0; k < room && score >= best - kPatience && best <= kEnoughBytes; ++k) {
      score += target_.data[at + k] == base_.data[source + k] ? 1 : -kMismatchCost;
      if (score > best) best = score, length = k + 1;
    }
    return length;
  }

  size_t SimilarBefore(size_t at, size_t source) const {
    int64_t score = 0, best = 0;
    size_t length = 0;
    const size_t room = std::min({at - done_, source, kMaxBackwardBytes});
    for (size_t k = 1; k <= room && score >= best - kPatience; ++k) {
      score += target_.data[at - k] == base_.data[source - k] ? 1 : -kMismatchCost;
      if (score > best) best = score, length = k;
    }
    return length;
  }

  void Literals(size_t end) {
    literal_lengths_.Varint(end - done_);
    literals_.Append(target_.data + done_, end - done_);
  }

  // Differences as little-endian numbers: when code moves, its addresses change by the same amount wherever a carry falls.
  void Patches(size_t at, size_t source, size_t length) {
    for (size_t k = 0;;) {
      k += EqualBytes(target_.data + at + k, base_.data + source + k, length - k);
      if (k >= length) return;
      patch_gaps_.Varint(at + k - patched_);
      const bool whole = k + kPatchBytes <= length;
      if (whole) {
        patch_values_.Zigzag(static_cast<int32_t>(Load32(target_.data + at + k) - Load32(base_.data + source + k)));
      } else {
        patch_values_.Byte(target_.data[at + k] - base_.data[source + k]);
      }
      k += whole ? kPatchBytes : 1;
      patched_ = at + k;
    }
  }

  Outcome Gathered() {
    const std::array<const Stream*, kStreams> streams = {&literal_lengths_, &copy_lengths_, &shifts_,
                                                         &literals_,        &patch_gaps_,   &patch_values_};
    size_t total = kHeaderBytes;
    for (const Stream* stream : streams) {
      if (stream->failed()) return Outcome::Failed(Fault::kOutOfMemory, "no memory for the script");
      total += stream->length();
    }
    Outcome outcome;
    if (!outcome.bytes.Allocate(total)) return Outcome::Failed(Fault::kOutOfMemory, "no memory for the script");
    uint8_t* at = outcome.bytes.data() + kHeaderBytes;
    for (size_t i = 0; i < kStreams; ++i) {
      Store64(outcome.bytes.data() + 8 * i, streams[i]->length());
      if (streams[i]->length() > 0) std::memcpy(at, streams[i]->data(), streams[i]->length());
      at += streams[i]->length();
    }
    return outcome;
  }

  Bytes target_;
  Bytes base_;
  int64_t position_;
  Search search_;
  Index index_;
  // What the target has been described up to, and the last copy's source less where it would lie unmoved.
  size_t done_ = 0;
  int64_t shift_ = 0;
  size_t patched_ = 0;
  Stream literal_lengths_, copy_lengths_, shifts_, literals_, patch_gaps_, patch_values_;
};

class Reader {
 public:
  explicit Reader(Bytes bytes) : bytes_(bytes) {}

  bool Varint(uint64_t& value) {
    value = 0;
    for (int shift = 0; shift < 56 && at_ < bytes_.length; shift += 7) {
      const uint8_t byte = bytes_.data[at_++];
      value |= static_cast<uint64_t>(byte & 127) << shift;
      if (byte < 128) return value <= static_cast<uint64_t>(kMaxNumber);
    }
    return false;
  }

  bool Zigzag(int64_t& value) {
    uint64_t raw;
    if (!Varint(raw)) return false;
    value = static_cast<int64_t>(raw >> 1 ^ (0 - (raw & 1)));
    return true;
  }

  const uint8_t* Take(uint64_t length) {
    if (length > bytes_.length - at_) return nullptr;
    at_ += length;
    return bytes_.data + at_ - length;
  }

  bool AtEnd() const { return at_ == bytes_.length; }

 private:
  Bytes bytes_;
  size_t at_ = 0;
};

// The next patch, read ahead; beyond the target when there is none.
struct Patch {
  uint64_t at = 0;
  bool is_there = false;

  bool Next(Reader& gaps, uint64_t after) {
    is_there = !gaps.AtEnd();
    uint64_t gap = 0;
    if (is_there && !gaps.Varint(gap)) return false;
    at = after + gap;
    return true;
  }
};

Outcome Corrupt(const char* what) { return Outcome::Failed(Fault::kCorrupt, what); }

}  // namespace

Outcome Match(Bytes target, Bytes base, int64_t position, int effort) { return Matcher(target, base, position, effort).Run(); }

Outcome Apply(Bytes script, Bytes base, int64_t position, uint64_t length) {
  if (script.length < kHeaderBytes) return Corrupt("it is shorter than its header");
  std::array<Bytes, kStreams> parts;
  size_t left = script.length - kHeaderBytes;
  const uint8_t* start = script.data + kHeaderBytes;
  for (size_t i = 0; i < kStreams; ++i) {
    const uint64_t bytes = Load64(script.data + 8 * i);
    if (bytes > left) return Corrupt("its streams are longer than it is");
    parts[i] = {start, bytes};
    start += bytes;
    left -= bytes;
  }
  if (left != 0) return Corrupt("bytes follow its streams");
  Reader literal_lengths(parts[0]), copy_lengths(parts[1]), shifts(parts[2]), literals(parts[3]), gaps(parts[4]), values(parts[5]);

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
