#include <algorithm>
#include <array>
#include <bit>

#include "delta.h"
#include "delta_copies.h"
#include "delta_index.h"
#include "delta_script.h"
#include "delta_worth.h"
#include "stop.h"

namespace dwcp {
namespace {

constexpr size_t kSeedBytes = DeltaIndex::kSeedBytes;
// One pass over the target, with one index.
struct Pass {
  // Between the places of the base that are indexed: it surely finds matches that are longer by kSeedBytes - 1.
  size_t stride;
  // Candidates for each place of the target.
  size_t ways;
  // After 2^so many places without a match each step is longer by one.
  int skip_shift;
  // A shorter match elsewhere costs more to point at than its bytes cost as literals, or is chance; so many bytes more for each bit of
  // the distance that it moves.
  size_t least_bytes;
  double bytes_per_bit;
};
struct Search {
  // Finds what content has moved together, by an index so thin that it stays in the cache.
  Pass coarse;
  // What that leaves of the target, by what it leaves of the base: mostly its former version.
  Pass fine;
  // Whether the second pass asks for as many bytes as the literals' price says, and for more of what was copied before.
  bool is_priced;
};
constexpr std::array<Search, 3> kSearches = {Search{{64, 1, 6, 64, 0}, {16, 1, 6, 32, 0}, false},
                                              Search{{64, 1, 6, 64, 0}, {8, 1, 8, 32, 0}, false},
                                              Search{{64, 1, 8, 8, 9}, {4, 4, 63, 8, 0}, true}};
// The fine index has at most so many entries for each byte that is looked for: else it would cost more than the search.
constexpr size_t kEntriesPerLiteral = 4;
// So many entries stay in the second-level cache: of a base this short the fine index finds all that the coarse one would, in one pass.
constexpr size_t kMaxOnePassEntries = 256 << 10;
// How far a copy goes on over bytes that differ: while, from its best end, no more than this many mismatches outweigh the matches
// (after bsdiff, Percival 2003). What differs is patched.
constexpr int64_t kPatience = 24;
// In matching bytes: a patch is several bytes long, and noise that is half the same by chance must not be patched.
constexpr int64_t kMismatchCost = 3;
constexpr int64_t kEnoughBytes = 32;
constexpr size_t kMaxBackwardBytes = 4096;
// Between two looks at whether to stop.
constexpr size_t kStepBytes = 1 << 20;

class Matcher {
 public:
  Matcher(Bytes target, Bytes base, int64_t position, int effort)
      : target_(target), base_(base), position_(position), search_(kSearches[std::clamp(effort, 0, 2)]) {}

  Outcome Run() {
    if (search_.is_priced && !worth_.Remember(base_.length)) return OutOfMemory();
    const bool is_coarse = search_.is_priced || base_.length > kMaxOnePassEntries * search_.fine.stride;
    const Pass& first = is_coarse ? search_.coarse : search_.fine;
    if (!index_.Reserve(base_, base_.length, first.stride, first.ways)) return OutOfMemory();
    worth_.Set(first.least_bytes, first.bytes_per_bit);
    index_.Add(0, base_.length);
    Scan(0, target_.length, first);
    const size_t left = LiteralBytes();
    if (is_coarse && left >= kSeedBytes && !Refine(left)) return OutOfMemory();
    if (IsStopped()) return Stopped();
    return Script();
  }

 private:
  void Scan(size_t from, size_t to, const Pass& pass) {
    done_ = from;
    end_ = to;
    size_t misses = 0;
    size_t looked = from;
    for (size_t at = from; at + kSeedBytes <= to;) {
      if (at - looked >= kStepBytes) {
        if (IsStopped()) return;
        looked = at;
      }
      const size_t stop = std::min(to, looked + kStepBytes + kSeedBytes);
      at = NextCandidate(at, stop, pass.skip_shift, misses);
      if (at + kSeedBytes > stop) continue;
      const size_t source = SourceOf(at);
      if (source == SIZE_MAX) {
        at += 1 + (misses++ >> pass.skip_shift);
        continue;
      }
      if (!Copy(at, source)) {
        // The first place that is not wholly inside of the match that was too short.
        at += rejected_ - kSeedBytes + 1;
        continue;
      }
      misses = 0;
      at = done_;
    }
  }

  // Looks again between the copies, for what is left of the base. False: no memory.
  bool Refine(size_t literal_bytes) {
    CopiedPieces pieces;
    if (!pieces.Reserve(base_.length)) return false;
    for (const DeltaCopy& copy : copies_) pieces.Mark(copy.source, copy.length);
    const Grown<DeltaStretch> stretches = pieces.StretchesLeft();
    size_t left = 0;
    for (const DeltaStretch& stretch : stretches) left += stretch.length;
    const size_t thinnest = std::bit_ceil(left / kEntriesPerLiteral / literal_bytes + 1);
    if (stretches.failed() || !index_.Reserve(base_, left, std::max(search_.fine.stride, thinnest), search_.fine.ways)) return false;
    for (const DeltaStretch& stretch : stretches) index_.Add(stretch.at, stretch.at + stretch.length);

    const double bytes_per_bit = search_.is_priced ? BytesPerBit(Literals(), target_) : search_.fine.bytes_per_bit;
    worth_.Set(search_.fine.least_bytes, bytes_per_bit);
    const Grown<DeltaCopy> coarse = std::exchange(copies_, {});
    size_t from = 0;
    shift_ = 0;
    for (const DeltaCopy& copy : coarse) {
      Scan(from, copy.at, search_.fine);
      copies_.Append(copy);
      from = copy.at + copy.length;
      shift_ = ShiftOf(copy.at, copy.source);
    }
    Scan(from, target_.length, search_.fine);
    return !coarse.failed();
  }

  Grown<DeltaStretch> Literals() const {
    Grown<DeltaStretch> literals;
    size_t from = 0;
    for (const DeltaCopy& copy : copies_) {
      literals.Append({from, copy.at - from});
      from = copy.at + copy.length;
    }
    literals.Append({from, target_.length - from});
    return literals;
  }

  size_t LiteralBytes() const {
    size_t left = target_.length;
    for (const DeltaCopy& copy : copies_) left -= copy.length;
    return left;
  }

  // The copy's source less where it would lie unmoved.
  int64_t ShiftOf(size_t at, size_t source) const { return static_cast<int64_t>(source) - position_ - static_cast<int64_t>(at); }

  // The first place from `at` on where content may be that the base has; past the last place before `stop` where there is none. What it
  // looks at is at hand in locals: where content is new, this is nearly all that matching does.
  size_t NextCandidate(size_t at, size_t stop, int skip_shift, size_t& misses) const {
    const DeltaIndex::Glance glance = index_.glance();
    const uint8_t* target = target_.data;
    const int64_t by = position_ + shift_;
    const uint64_t straights = base_.length >= kSeedBytes ? base_.length - kSeedBytes + 1 : 0;
    size_t missed = misses;
    for (; at + kSeedBytes <= stop; at += 1 + (missed++ >> skip_shift)) {
      const uint64_t straight = static_cast<uint64_t>(by) + at;
      const uint64_t begin = Load64(target + at);
      if (straight < straights && Load64(base_.data + straight) == begin) break;
      if (glance.MayKnow(begin, Load64(target + at + 8))) break;
    }
    misses = missed;
    return at;
  }

  // Where the last copy would go on, or else where the index knows the content.
  size_t SourceOf(size_t at) const {
    const int64_t straight = position_ + static_cast<int64_t>(at) + shift_;
    if (straight >= 0 && base_.length >= kSeedBytes && static_cast<uint64_t>(straight) <= base_.length - kSeedBytes) {
      const uint8_t* there = base_.data + straight;
      if (Load64(target_.data + at) == Load64(there) && Load64(target_.data + at + 8) == Load64(there + 8)) return straight;
    }
    return index_.Find(target_.data + at, end_ - at);
  }

  bool Copy(size_t at, size_t source) {
    size_t forward = EqualBytes(target_.data + at, base_.data + source, Room(at, source));
    size_t backward = EqualBytesBefore(target_.data + at, base_.data + source, std::min(at - done_, source));
    const int64_t shift = ShiftOf(at, source);
    if (shift != shift_ && forward + backward < worth_.MinBytes(shift - shift_, source)) {
      rejected_ = forward;
      return false;
    }
    const size_t first_similar = similar_.count();
    const size_t before = SimilarBefore(at - backward, source - backward);
    backward += before;
    if (before > 0) similar_.Append({at - backward, before});
    // Bounded by the target: each turn takes at least one byte of it.
    for (size_t more = SimilarAfter(at + forward, source + forward); more > 0; more = SimilarAfter(at + forward, source + forward)) {
      similar_.Append({at + forward, more});
      forward += more;
      forward += EqualBytes(target_.data + at + forward, base_.data + source + forward, Room(at + forward, source + forward));
    }
    copies_.Append({at - backward, source - backward, backward + forward, first_similar, similar_.count() - first_similar});
    worth_.Copied(source - backward, backward + forward);
    shift_ = shift;
    done_ = at + forward;
    return true;
  }

  size_t Room(size_t at, size_t source) const { return std::min(end_ - at, base_.length - source); }

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

  Outcome Script() {
    size_t done = 0;
    int64_t shift = 0;
    for (const DeltaCopy& copy : copies_) {
      literal_lengths_.Varint(copy.at - done);
      copy_lengths_.Varint(copy.length);
      const int64_t next = ShiftOf(copy.at, copy.source);
      shifts_.Zigzag(next - shift);
      shift = next;
      done = copy.at + copy.length;
      for (size_t k = 0; k < copy.similar_count; ++k) Patches(similar_[copy.first_similar + k], copy);
    }
    if (done < target_.length) literal_lengths_.Varint(target_.length - done);
    return Gathered();
  }

  // Differences as little-endian numbers: when code moves, its addresses change by the same amount wherever a carry falls.
  void Patches(const DeltaStretch& similar, const DeltaCopy& copy) {
    const uint8_t* here = target_.data + copy.at;
    const uint8_t* there = base_.data + copy.source;
    const size_t end = similar.at + similar.length - copy.at;
    for (size_t k = std::max(similar.at, patched_) - copy.at; k < end;) {
      if (here[k] == there[k]) {
        ++k;
        continue;
      }
      patch_gaps_.Varint(copy.at + k - patched_);
      const bool whole = k + kPatchBytes <= copy.length;
      if (whole) {
        patch_values_.Zigzag(static_cast<int32_t>(Load32(here + k) - Load32(there + k)));
      } else {
        patch_values_.Byte(here[k] - there[k]);
      }
      k += whole ? kPatchBytes : 1;
      patched_ = copy.at + k;
    }
  }

  Outcome Gathered() {
    const std::array<const Grown<uint8_t>*, kLiterals> streams = {&literal_lengths_.bytes(), &copy_lengths_.bytes(), &shifts_.bytes(),
                                                                  &patch_gaps_.bytes(), &patch_values_.bytes()};
    const size_t literal_bytes = LiteralBytes();
    size_t total = kScriptHeaderBytes + literal_bytes;
    bool failed = copies_.failed() || similar_.failed();
    for (const auto* stream : streams) {
      failed = failed || stream->failed();
      total += stream->count();
    }
    Outcome outcome;
    if (failed || !outcome.bytes.Allocate(total)) return OutOfMemory();
    uint8_t* lengths = outcome.bytes.data();
    uint8_t* at = lengths + kScriptHeaderBytes;
    const auto put = [&at](const uint8_t* bytes, size_t length) {
      if (length > 0) std::memcpy(at, bytes, length);
      at += length;
    };
    for (size_t i = 0; i < streams.size(); ++i) {
      Store64(lengths + 8 * i, streams[i]->count());
      put(streams[i]->data(), streams[i]->count());
    }
    Store64(lengths + 8 * kLiterals, literal_bytes);
    size_t done = 0;
    for (const DeltaCopy& copy : copies_) {
      put(target_.data + done, copy.at - done);
      done = copy.at + copy.length;
    }
    put(target_.data + done, target_.length - done);
    return outcome;
  }

  static Outcome OutOfMemory() { return Outcome::Failed(Fault::kOutOfMemory, "no memory to match in"); }

  Bytes target_;
  Bytes base_;
  int64_t position_;
  Search search_;
  DeltaIndex index_;
  CopyWorth worth_;
  // In the order of the target. All stretches of one copy lie together.
  Grown<DeltaCopy> copies_;
  Grown<DeltaStretch> similar_;
  // Of the part of the target that is looked at: what is described, and where it ends.
  size_t done_ = 0;
  size_t end_ = 0;
  // How far the match went that was too short.
  size_t rejected_ = 0;
  int64_t shift_ = 0;
  size_t patched_ = 0;
  VarintWriter literal_lengths_, copy_lengths_, shifts_, patch_gaps_, patch_values_;
};

}  // namespace

Outcome Match(Bytes target, Bytes base, int64_t position, int effort) { return Matcher(target, base, position, effort).Run(); }

}  // namespace dwcp
