// Mutated input for every native decoder, under AddressSanitizer and UndefinedBehaviorSanitizer; test/mutations.test.ts builds and
// runs it: `mutations_test COUNT SEED`. Mutants are repaired around what was changed (lengths, heads of streams), so that they reach
// the code behind the first checks. Prints what became of them, one line for each decoder.
#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "../chunk.h"
#include "../dictionary.h"
#include "../lz4.h"
#include "../delta.h"
#include "../page_delta.h"
#include "../page_frame.h"
#include "../zstd.h"

extern "C" {
int __sanitizer_install_malloc_and_free_hooks(void (*allocated)(const volatile void*, size_t), void (*freed)(const volatile void*));
size_t __sanitizer_get_allocated_size(const volatile void*);
}

namespace {

using dwcp::Bytes;
using dwcp::Fault;
using dwcp::Outcome;
using Blob = std::vector<uint8_t>;

constexpr int64_t kSlowestNs = 100'000'000;
// Contexts and tables of the libraries, and the words of an error.
constexpr size_t kSpareBytes = 1 << 20;

uint64_t state = 1;

// SplitMix64 (Steele, Lea, Flood 2014).
uint64_t Next() {
  uint64_t mixed = state += 0x9e3779b97f4a7c15;
  mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
  return mixed ^ mixed >> 31;
}

size_t Below(size_t bound) { return bound == 0 ? 0 : Next() % bound; }

size_t live_bytes = 0;
size_t most_bytes = 0;

void Allocated(const volatile void*, size_t bytes) { most_bytes = std::max(most_bytes, live_bytes += bytes); }
void Freed(const volatile void* pointer) { live_bytes -= pointer == nullptr ? 0 : __sanitizer_get_allocated_size(pointer); }

int64_t ThreadNs() {
  timespec now = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

Blob StateLike(size_t length) {
  Blob bytes(length);
  for (size_t i = 0; i < length; ++i) bytes[i] = Below(8) == 0 ? Next() : i > 40 ? bytes[i - 40] : 7;
  return bytes;
}

void AppendVarint(Blob& to, uint64_t value) {
  for (; value >= 128; value >>= 7) to.push_back(value | 128);
  to.push_back(value);
}

// What numbers are most likely to be wrong about.
uint64_t Boundary() {
  const uint64_t near = (Next() % 5) - 2;
  return (uint64_t{1} << Below(64)) + near;
}

void MutateOnce(Blob& bytes, const Blob& other) {
  const size_t at = Below(bytes.size());
  const size_t length = std::min(bytes.size() - at, Below(16) + 1);
  switch (Below(9)) {
    case 0:
      if (!bytes.empty()) bytes[at] ^= 1 << Below(8);
      break;
    case 1:
      if (!bytes.empty()) bytes[at] = Below(4) == 0 ? 255 : Next();
      break;
    case 2: {
      Blob number;
      AppendVarint(number, Boundary());
      bytes.insert(bytes.begin() + at, number.begin(), number.end());
      break;
    }
    case 3:
      bytes.erase(bytes.begin() + at, bytes.begin() + at + length);
      break;
    case 4: {
      const Blob again(bytes.begin() + at, bytes.begin() + at + length);
      bytes.insert(bytes.begin() + Below(bytes.size() + 1), again.begin(), again.end());
      break;
    }
    case 5:
      bytes.resize(at);
      break;
    case 6: {
      const size_t from = Below(other.size());
      bytes.resize(at);
      bytes.insert(bytes.end(), other.begin() + from, other.end());
      break;
    }
    case 7:
      if (bytes.size() >= at + 4) {
        const uint32_t number = Boundary();
        std::memcpy(bytes.data() + at, &number, sizeof(number));
      }
      break;
    case 8:
      if (!bytes.empty()) std::fill_n(bytes.begin() + at, length, Below(2) == 0 ? 0 : 255);
  }
}

void Mutate(Blob& bytes, const Blob& other) {
  for (size_t left = Below(4) + 1; left > 0; --left) MutateOnce(bytes, other);
}

struct Tally {
  size_t decoded = 0;
  size_t refused = 0;
  int64_t slowest_ns = 0;
  size_t most_bytes = 0;
};

[[noreturn]] void Fail(const char* name, const char* what, uint64_t began) {
  std::fprintf(stderr, "%s: %s; the mutant began at state %llu\n", name, what, static_cast<unsigned long long>(began));
  std::exit(1);
}

// A decoder, what it may allocate, and one mutant after another.
struct Target {
  std::string name;
  size_t limit_bytes;
  std::function<Blob()> mutant;
  std::function<Outcome(Bytes)> decode;
};

Tally Attack(const Target& target, size_t count) {
  Tally tally;
  for (size_t round = 0; round < count; ++round) {
    const uint64_t began = state;
    const Blob mutant = target.mutant();
    // Exactly as long as its content, so that a read past the end is seen.
    const std::unique_ptr<uint8_t[]> exact(new uint8_t[mutant.size()]);
    std::copy(mutant.begin(), mutant.end(), exact.get());
    const size_t before = most_bytes = live_bytes;
    const int64_t started = ThreadNs();
    const Outcome outcome = target.decode({exact.get(), mutant.size()});
    const int64_t took = ThreadNs() - started;
    const size_t took_bytes = most_bytes - before;
    tally.slowest_ns = std::max(tally.slowest_ns, took);
    tally.most_bytes = std::max(tally.most_bytes, took_bytes);
    (outcome.fault == Fault::kNone ? tally.decoded : tally.refused) += 1;
    if (outcome.fault == Fault::kUnavailable || outcome.fault == Fault::kOutOfMemory) Fail(target.name.c_str(), "another fault", began);
    if (took > kSlowestNs) Fail(target.name.c_str(), "it took more than 100 ms", began);
    if (took_bytes > target.limit_bytes) Fail(target.name.c_str(), "it allocated past its limit", began);
  }
  return tally;
}

Blob Copied(const Outcome& outcome) { return Blob(outcome.bytes.data(), outcome.bytes.data() + outcome.bytes.length()); }

Target ZstdTarget(bool with_prefix) {
  static constexpr size_t kMost = 20'000;
  const auto prefix = std::make_shared<Blob>(with_prefix ? StateLike(9'000) : Blob());
  const auto seeds = std::make_shared<std::vector<Blob>>();
  for (const int level : {-20, 1, 3, 9, 19}) {
    Blob source = StateLike(kMost - Below(9'000));
    if (with_prefix) std::copy_n(prefix->begin() + 100, 4'000, source.begin() + 50);
    seeds->push_back(Copied(dwcp::ZstdCompress({source.data(), source.size()}, {prefix->data(), prefix->size()}, level)));
  }
  return {with_prefix ? "zstd with a prefix" : "zstd", kMost + kSpareBytes,
          [seeds] {
            Blob mutant = (*seeds)[Below(seeds->size())];
            const Blob head(mutant.begin(), mutant.begin() + 5);
            Mutate(mutant, (*seeds)[Below(seeds->size())]);
            // The magic number and the descriptor: most mutants keep them.
            if (Below(8) != 0 && mutant.size() >= head.size()) std::copy(head.begin(), head.end(), mutant.begin());
            return mutant;
          },
          [prefix](Bytes bytes) { return dwcp::ZstdDecompress(bytes, {prefix->data(), prefix->size()}, kMost); }};
}

Target DictionaryTarget() {
  static constexpr size_t kMost = 2'000;
  Blob samples;
  std::vector<uint32_t> lengths(400, 200);
  const Blob common = StateLike(150);
  for (size_t i = 0; i < lengths.size(); ++i) {
    const Blob own = StateLike(50);
    samples.insert(samples.end(), common.begin(), common.end());
    samples.insert(samples.end(), own.begin(), own.end());
  }
  const Bytes counted = {reinterpret_cast<const uint8_t*>(lengths.data()), lengths.size() * sizeof(uint32_t)};
  const auto dictionary = std::make_shared<Blob>(Copied(dwcp::TrainDictionary({samples.data(), samples.size()}, counted, 2'048)));
  const auto frame = std::make_shared<Blob>(
      Copied(dwcp::DictionaryCompress({samples.data() + 300, kMost}, {dictionary->data(), dictionary->size()}, 19)));
  return {"zstd with a dictionary", kMost + kSpareBytes,
          [frame] {
            Blob mutant = *frame;
            Mutate(mutant, *frame);
            if (Below(8) != 0 && mutant.size() >= 5) std::copy_n(frame->begin(), 5, mutant.begin());
            return mutant;
          },
          [dictionary](Bytes bytes) { return dwcp::DictionaryDecompress(bytes, {dictionary->data(), dictionary->size()}, kMost); }};
}

Target Lz4Target() {
  static constexpr size_t kLength = 6'000;
  const auto prefix = std::make_shared<Blob>(StateLike(70'000));
  const auto seeds = std::make_shared<std::vector<Blob>>();
  for (int i = 0; i < 3; ++i) {
    Blob source = StateLike(kLength);
    std::copy_n(prefix->end() - 5'000, 1'500, source.begin() + 700);
    seeds->push_back(Copied(dwcp::Lz4Compress({source.data(), source.size()}, {prefix->data(), prefix->size()})));
  }
  return {"lz4", kLength + kSpareBytes,
          [seeds] {
            Blob mutant = (*seeds)[Below(seeds->size())];
            Mutate(mutant, (*seeds)[Below(seeds->size())]);
            return mutant;
          },
          [prefix](Bytes bytes) { return dwcp::Lz4Decompress(bytes, {prefix->data(), prefix->size()}, kLength); }};
}

constexpr size_t kScriptStreams = 6;

Target ApplyTarget() {
  static constexpr size_t kLength = 9'000;
  static constexpr int64_t kPosition = -77;
  const auto base = std::make_shared<Blob>(StateLike(12'000));
  const auto seeds = std::make_shared<std::vector<std::array<Blob, kScriptStreams>>>();
  for (const int effort : {0, 1, 2}) {
    Blob target(base->begin() + 2'000, base->begin() + 2'000 + kLength);
    std::copy_n(base->begin(), 1'700, target.begin() + 5'000);
    for (int i = 0; i < 90; ++i) target[Below(kLength)] = Next();
    const Outcome script = dwcp::Match({target.data(), target.size()}, {base->data(), base->size()}, kPosition, effort);
    std::array<Blob, kScriptStreams> streams;
    const uint8_t* from = script.bytes.data() + 8 * kScriptStreams;
    for (size_t i = 0; i < kScriptStreams; ++i) {
      uint64_t length;
      std::memcpy(&length, script.bytes.data() + 8 * i, 8);
      streams[i].assign(from, from + length);
      from += length;
    }
    seeds->push_back(streams);
  }
  return {"apply", kLength + base->size() + kSpareBytes,
          [seeds] {
            std::array<Blob, kScriptStreams> streams = (*seeds)[Below(seeds->size())];
            for (size_t left = Below(3) + 1; left > 0; --left) {
              MutateOnce(streams[Below(kScriptStreams)], (*seeds)[Below(seeds->size())][Below(kScriptStreams)]);
            }
            Blob mutant(8 * kScriptStreams);
            for (size_t i = 0; i < kScriptStreams; ++i) {
              uint64_t length = streams[i].size();
              if (Below(200) == 0) length = Boundary();
              std::memcpy(mutant.data() + 8 * i, &length, 8);
              mutant.insert(mutant.end(), streams[i].begin(), streams[i].end());
            }
            if (Below(50) == 0) mutant.resize(Below(mutant.size()));
            return mutant;
          },
          [base](Bytes bytes) {
            const Bytes held = {base->data(), base->size()};
            const Outcome reference = dwcp::Reference(bytes, held, kPosition, kLength, kLength);
            if (reference.bytes.length() > base->size()) Fail("apply", "a reference is longer than the base", state);
            return dwcp::Apply(bytes, held, kPosition, kLength);
          }};
}

struct PageStream {
  unsigned codec = 0;
  Blob bytes;
};

// A page delta, taken apart: the named pages, and each stream with its codec.
struct PageScript {
  Blob named;
  std::vector<PageStream> streams;

  explicit PageScript(const Outcome& delta) {
    const uint8_t* at = delta.bytes.data();
    const auto varint = [&at] {
      uint64_t value = 0;
      for (int shift = 0;; shift += 7) {
        value |= static_cast<uint64_t>(*at & 127) << shift;
        if (*at++ < 128) return value;
      }
    };
    for (uint64_t left = varint(); left > 0; --left) varint();
    named.assign(static_cast<const uint8_t*>(delta.bytes.data()), at);
    while (at < delta.bytes.data() + delta.bytes.length()) {
      const uint64_t head = varint();
      streams.push_back({static_cast<unsigned>(head % 4), Blob(at, at + head / 4)});
      at += head / 4;
    }
  }
};

Target PageDeltaTarget(size_t page_bytes) {
  static constexpr size_t kPages = 12;
  const auto old = std::make_shared<Blob>(StateLike((kPages + 3) * page_bytes));
  const auto seeds = std::make_shared<std::vector<PageScript>>();
  for (int i = 0; i < 4; ++i) {
    Blob now(old->begin(), old->begin() + kPages * page_bytes);
    for (int change = 0; change < 8; ++change) now[Below(now.size())] = Next();
    for (size_t at = 2 * page_bytes; at < 3 * page_bytes; ++at) now[at] = Next();
    std::fill_n(now.begin() + 3 * page_bytes, page_bytes, 0);
    std::copy_n(old->begin() + kPages * page_bytes + 16, page_bytes, now.begin() + 4 * page_bytes);
    PageScript script(dwcp::EncodePageDelta({now.data(), now.size()}, {old->data(), old->size()}, page_bytes, 3));
    // Half of the seeds hold their streams as they are, so that a mutation changes what they say and not whether they decode.
    if (i % 2 == 0) {
      for (PageStream& stream : script.streams) {
        if (stream.codec != 1) continue;
        stream.bytes = Copied(dwcp::ZstdDecompress({stream.bytes.data(), stream.bytes.size()}, {}, 1 << 20));
        stream.codec = 0;
      }
    }
    seeds->push_back(script);
  }
  return {"page delta of " + std::to_string(page_bytes) + "-byte pages", 3 * old->size() + kSpareBytes,
          [seeds] {
            PageScript script = (*seeds)[Below(seeds->size())];
            const PageScript& other = (*seeds)[Below(seeds->size())];
            for (size_t left = Below(3) + 1; left > 0; --left) {
              const size_t which = Below(script.streams.size() + 1);
              if (which == script.streams.size()) MutateOnce(script.named, other.named);
              else MutateOnce(script.streams[which].bytes, other.streams[Below(other.streams.size())].bytes);
            }
            Blob mutant = script.named;
            for (const PageStream& stream : script.streams) {
              const unsigned codec = Below(40) == 0 ? Below(4) : stream.codec;
              const uint64_t head = Below(100) == 0 ? Boundary() : stream.bytes.size() * 4 + codec;
              AppendVarint(mutant, head);
              mutant.insert(mutant.end(), stream.bytes.begin(), stream.bytes.end());
            }
            if (Below(50) == 0) mutant.resize(Below(mutant.size()));
            return mutant;
          },
          [old, page_bytes](Bytes bytes) {
            // Exactly as long as they are, again.
            const std::unique_ptr<uint8_t[]> pages(new uint8_t[old->size()]);
            std::copy(old->begin(), old->end(), pages.get());
            const Outcome kinds = dwcp::ApplyPageDelta(bytes, pages.get(), old->size(), kPages, page_bytes);
            const bool is_touched = std::memcmp(pages.get(), old->data(), old->size()) != 0;
            if (kinds.fault != Fault::kNone && is_touched) Fail("page delta", "pages were changed by what was refused", state);
            const size_t behind = kPages * page_bytes;
            if (std::memcmp(pages.get() + behind, old->data() + behind, old->size() - behind) != 0) {
              Fail("page delta", "pages behind the described ones were changed", state);
            }
            return dwcp::Outcome{kinds.fault, kinds.message, {}};
          }};
}

// Frames of pages whose payload, references and sources are anything; pages and outcomes are what a reader has checked. Half of them
// have no check that would refuse them. What is refused touches neither the memory nor the image; no other image ever changes.
Target PageFrameTarget() {
  static constexpr size_t kPages = 40;
  static constexpr size_t kPageBytes = 256;
  static const std::vector<dwcp::RegionShape> shapes = {{kPageBytes, 5, 0}, {kPageBytes, kPages, 5}};
  struct Seed {
    dwcp::PageFrame frame;
    Blob payload;
    Blob pages;
  };
  const auto image = std::make_shared<dwcp::PageImage>(shapes);
  const auto memory = std::make_shared<Blob>(StateLike(kPages * kPageBytes));
  const auto seeds = std::make_shared<std::vector<Seed>>();
  for (size_t round = 0; round < 5; ++round) {
    if (round > 0) {
      for (int change = 0; change < 12; ++change) (*memory)[Below(memory->size())] = Next();
      for (size_t at = 2 * kPageBytes; at < 3 * kPageBytes; ++at) (*memory)[at] = Next();
      std::fill_n(memory->begin() + (5 + round) * kPageBytes, kPageBytes, 0);
      std::copy_n(memory->begin() + 20 * kPageBytes, kPageBytes, memory->begin() + (10 + round) * kPageBytes);
      std::copy_n(memory->begin() + 30 * kPageBytes + 16, kPageBytes, memory->begin() + 15 * kPageBytes);
    }
    std::vector<uint32_t> listed;
    for (uint32_t page = 0; page < kPages - 4; ++page) listed.push_back(page);
    dwcp::PageBatch batch(std::make_shared<dwcp::PageImage>(*image, shapes));
    const dwcp::TakeOptions options = {1, kPageBytes, true, true, true, kPages};
    const Bytes numbers = {reinterpret_cast<uint8_t*>(listed.data()), listed.size() * 4};
    const Outcome taken = batch.Take({memory->data(), listed.size() * kPageBytes}, numbers, options);
    const Outcome packed = batch.Pack(static_cast<dwcp::PackMethod>(round % 4), 1, 8, dwcp::kDigestBytes);
    if (taken.fault != Fault::kNone || packed.fault != Fault::kNone) Fail("page frames", "a seed was not made", state);
    const auto* head = reinterpret_cast<const uint32_t*>(taken.bytes.data());
    const auto* said = reinterpret_cast<const uint32_t*>(packed.bytes.data());
    const uint8_t* hashes = taken.bytes.data() + (4 + head[3]) * 4;
    Seed seed;
    seed.frame.region = 1;
    seed.frame.page_bytes = kPageBytes;
    seed.frame.pages = listed;
    seed.frame.references.assign(head + 4, head + 4 + head[3]);
    seed.frame.outcomes.assign(hashes + listed.size() * 16, hashes + listed.size() * 17);
    seed.frame.method = static_cast<dwcp::PackMethod>(said[0]);
    seed.frame.sources.assign(said + 3, said + 3 + said[2]);
    const uint8_t* end = packed.bytes.data() + packed.bytes.length() - dwcp::kDigestBytes;
    seed.payload.assign(end - said[1], end);
    seed.pages.assign(memory->begin(), memory->begin() + listed.size() * kPageBytes);
    seed.frame.head = {1, 2, 3};
    Blob checked = seed.frame.head;
    checked.insert(checked.end(), hashes, hashes + listed.size() * dwcp::kDigestBytes);
    dwcp::Hash({checked.data(), checked.size()}, seed.frame.check.emplace().data());
    const auto reads = round == 0 ? image : std::make_shared<dwcp::PageImage>(*image, shapes);
    const Outcome pages = dwcp::FrameReader(reads).Read(seed.frame, {seed.payload.data(), seed.payload.size()}, nullptr);
    if (pages.fault != Fault::kNone || Copied(pages) != seed.pages) Fail("page frames", "a seed was not read", state);
    if (round > 0) seeds->push_back(seed);
  }
  const auto mutated = std::make_shared<Seed>();
  const auto content = [](const dwcp::PageImage& of) {
    Blob bytes(kPages * kPageBytes);
    for (uint64_t page = 0; page < kPages; ++page) {
      const uint8_t* at = of.Content(1, page);
      if (at != nullptr) std::copy_n(at, kPageBytes, bytes.begin() + page * kPageBytes);
    }
    return bytes;
  };
  const auto held = std::make_shared<Blob>(content(*image));
  return {"page frames", 8 * memory->size() + kSpareBytes,
          [seeds, mutated] {
            *mutated = (*seeds)[Below(seeds->size())];
            dwcp::PageFrame& frame = mutated->frame;
            for (std::vector<uint32_t>* list : {&frame.references, &frame.sources}) {
              if (!list->empty() && Below(4) == 0) (*list)[Below(list->size())] = Below(2) == 0 ? Below(kPages + 10) : Boundary();
            }
            if (Below(20) == 0) frame.method = static_cast<dwcp::PackMethod>(Below(4));
            if (Below(2) == 0) frame.check.reset();
            Blob payload = mutated->payload;
            if (Below(8) > 0) Mutate(payload, (*seeds)[Below(seeds->size())].payload);
            return payload;
          },
          [image, mutated, held, content](Bytes bytes) {
            const dwcp::PageFrame& frame = mutated->frame;
            const auto fork = std::make_shared<dwcp::PageImage>(*image, shapes);
            const bool is_placed = Below(2) == 0;
            // Exactly as long as the region is.
            const std::unique_ptr<uint8_t[]> exact(new uint8_t[held->size()]);
            std::copy(held->begin(), held->end(), exact.get());
            const Outcome pages = dwcp::FrameReader(fork).Read(frame, bytes, is_placed ? exact.get() : nullptr);
            const bool is_refused = pages.fault != Fault::kNone;
            const bool is_touched = !std::equal(held->begin(), held->end(), exact.get());
            if (is_refused && (is_touched || content(*fork) != *held)) Fail("page frames", "what was refused was written", state);
            if (!is_refused && frame.check.has_value()) {
              const Blob got = is_placed ? Blob(exact.get(), exact.get() + mutated->pages.size()) : Copied(pages);
              if (got != mutated->pages) Fail("page frames", "other pages had the check", state);
            }
            if (!is_refused && is_placed && content(*fork) != Blob(exact.get(), exact.get() + held->size())) Fail("page frames", "memory and image differ", state);
            if (content(*image) != *held) Fail("page frames", "another image was changed", state);
            return dwcp::Outcome{pages.fault, pages.message, {}};
          }};
}

// Whatever is cut, the chunks are as long as they may be, and all of it. Nothing is refused.
void CutAnything(size_t count) {
  for (size_t round = 0; round < count; ++round) {
    const size_t length = Below(20'000);
    Blob bytes = Below(2) == 0 ? StateLike(length) : Blob(length, static_cast<uint8_t>(Next()));
    for (size_t at = Below(9); at < length; at += 1 + Below(99)) bytes[at] = Next();
    const std::unique_ptr<uint8_t[]> exact(new uint8_t[length]);
    std::copy(bytes.begin(), bytes.end(), exact.get());
    const uint32_t least = dwcp::kLeastChunkBytes + Below(2'000);
    const uint32_t average = std::max<uint32_t>(512, least + Below(3'000));
    const dwcp::ChunkSizes sizes = {least, average, average + static_cast<uint32_t>(Below(9'000))};
    const bool is_last = Below(2) == 0;
    const size_t digest_bytes = dwcp::HashProblem().empty() && Below(2) == 0 ? 16 : 32;
    const auto kind = digest_bytes == 16 ? dwcp::DigestKind::kXxh3 : dwcp::DigestKind::kBlake3;
    const Outcome cut = dwcp::Chunk({exact.get(), length}, sizes, is_last, kind);
    size_t all = 0;
    for (size_t at = 0; at < cut.bytes.length(); at += 4 + digest_bytes) {
      uint32_t chunk;
      std::memcpy(&chunk, cut.bytes.data() + at, 4);
      all += chunk;
      const bool is_end = is_last && all == length;
      if (chunk > sizes.most || chunk == 0 || (chunk < sizes.least && !is_end)) Fail("chunks", "a chunk of a wrong length", state);
    }
    if (cut.fault != Fault::kNone || (is_last ? all != length : all > length || length - all >= sizes.most + 1)) Fail("chunks", "not all of it", state);
  }
  std::printf("chunks: %zu inputs cut\n", count);
}

}  // namespace

int main(int count, char** values) {
  if (count != 3) return 2;
  const size_t mutants = std::strtoull(values[1], nullptr, 10);
  state = std::strtoull(values[2], nullptr, 10);
  __sanitizer_install_malloc_and_free_hooks(Allocated, Freed);
  std::vector<Target> targets = {ApplyTarget()};
  if (dwcp::ZstdProblem().empty()) {
    targets.push_back(ZstdTarget(false));
    targets.push_back(ZstdTarget(true));
  }
  if (dwcp::DictionaryProblem().empty()) targets.push_back(DictionaryTarget());
  if (dwcp::Lz4Problem().empty()) targets.push_back(Lz4Target());
  if (dwcp::PageDeltaProblem().empty()) {
    for (const size_t page_bytes : {64u, 576u, 4096u}) targets.push_back(PageDeltaTarget(page_bytes));
    if (dwcp::HashProblem().empty() && dwcp::Lz4Problem().empty()) targets.push_back(PageFrameTarget());
  }
  for (const Target& target : targets) {
    const Tally tally = Attack(target, mutants / targets.size());
    std::printf("%s: %zu mutants, %zu decoded, %zu refused; slowest %.2f ms of CPU; at most %zu bytes\n", target.name.c_str(),
                tally.decoded + tally.refused, tally.decoded, tally.refused, tally.slowest_ns / 1e6, tally.most_bytes);
  }
  CutAnything(mutants / 40);
  return 0;
}
