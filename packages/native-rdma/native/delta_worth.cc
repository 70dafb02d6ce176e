#include "delta_worth.h"

#include <algorithm>
#include <bit>

#include "zstd.h"

namespace dwcp {
namespace {

// What is copied a second time, from elsewhere than right beside it, stands in the target more than once: as literals the second time
// costs little.
constexpr size_t kRepeatedBytes = 128;
constexpr int kNearBits = 5;
// The square: of literals that cost half as much, a copy saves half, and takes apart twice as much.
constexpr double kPerSquaredPrice = 0.3;
constexpr double kMinPrice = 0.2;
constexpr double kUnknownPrice = 0.5;
constexpr size_t kSampleBytes = 1 << 20;
constexpr size_t kSamplePieceBytes = 64 << 10;

// Pieces at even distances; all where there is not more. False: no memory.
bool Sample(const Grown<DeltaStretch>& literals, Bytes target, Grown<uint8_t>& sample) {
  size_t total = 0;
  for (const DeltaStretch& stretch : literals) total += stretch.length;
  const size_t period = (total / kSampleBytes + 1) * kSamplePieceBytes;
  size_t at = 0;
  for (const DeltaStretch& stretch : literals) {
    // Bounded by the literals: each turn goes over some of them.
    for (size_t done = 0; done < stretch.length;) {
      const size_t in_period = at % period;
      const bool is_taken = in_period < kSamplePieceBytes;
      const size_t count = std::min(stretch.length - done, (is_taken ? kSamplePieceBytes : period) - in_period);
      if (is_taken) sample.Append(target.data + stretch.at + done, count);
      done += count;
      at += count;
    }
  }
  return !sample.failed();
}

// Of one byte of literals, in bytes.
double Price(const Grown<DeltaStretch>& literals, Bytes target) {
  Grown<uint8_t> sample;
  if (!ZstdProblem().empty() || !Sample(literals, target, sample) || sample.count() == 0) return kUnknownPrice;
  const Outcome packed = ZstdCompress({sample.data(), sample.count()}, {}, 1);
  return packed.fault == Fault::kNone ? static_cast<double>(packed.bytes.length()) / sample.count() : kUnknownPrice;
}

}  // namespace

size_t CopyWorth::MinBytes(int64_t change, size_t source) const {
  const int bits = std::bit_width(change < 0 ? 0 - static_cast<uint64_t>(change) : static_cast<uint64_t>(change));
  const size_t least = least_bytes_ + static_cast<size_t>(bytes_per_bit_ * bits);
  return remembers_ && bits >= kNearBits && copied_.Has(source) ? std::max(least, kRepeatedBytes) : least;
}

double BytesPerBit(const Grown<DeltaStretch>& literals, Bytes target) {
  const double price = std::max(Price(literals, target), kMinPrice);
  return kPerSquaredPrice / (price * price);
}

}  // namespace dwcp
