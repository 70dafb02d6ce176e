// The native core without Node, under AddressSanitizer and UndefinedBehaviorSanitizer; test/core.test.ts builds and runs it.
// Prints one line for each part that was exercised, or that this host cannot exercise and why.
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "../delta.h"
#include "../dictionary.h"
#include "../blake3.h"
#include "../chunk.h"
#include "../hash.h"
#include "../library.h"
#include "../lz4.h"
#include "../memory.h"
#include "../page_batch.h"
#include "../page_delta.h"
#include "../page_frame.h"
#include "../page_image.h"
#include "../page_pool.h"
#include "../page_scan.h"
#include "../socket.h"
#include "../stop.h"
#include "../stream_link.h"
#include "../stream_thread.h"
#include "../zstd.h"

namespace {

using dwcp::Bytes;
using dwcp::Fault;
using dwcp::Outcome;

#define CHECK(condition)                                                          \
  do {                                                                            \
    if (!(condition)) {                                                           \
      std::fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition); \
      std::exit(1);                                                               \
    }                                                                             \
  } while (0)

std::mt19937 random_source(20240611);

uint32_t Next(uint32_t bound) { return static_cast<uint32_t>(random_source() % bound); }

// Exactly as long as its content, so that a read past the end is seen.
struct Exact {
  std::unique_ptr<uint8_t[]> data;
  size_t length;
  explicit Exact(size_t size) : data(new uint8_t[size]), length(size) {}
  Exact(const uint8_t* from, size_t size) : Exact(size) { std::copy_n(from, size, data.get()); }
  operator Bytes() const { return {data.get(), length}; }
};

Exact StateLike(size_t length) {
  Exact bytes(length);
  for (size_t i = 0; i < length; ++i) bytes.data[i] = Next(8) == 0 ? static_cast<uint8_t>(Next(256)) : i > 40 ? bytes.data[i - 40] : 7;
  return bytes;
}

template <class Decode>
void Attack(const Outcome& good, size_t limit, int rounds, Decode decode) {
  for (size_t length = 0; length < good.bytes.length(); ++length) {
    CHECK(decode(Exact(good.bytes.data(), length)).fault == Fault::kCorrupt);
  }
  for (int round = 0; round < rounds; ++round) {
    Exact mutant(good.bytes.data(), good.bytes.length());
    for (uint32_t left = Next(4) + 1; left > 0; --left) mutant.data[Next(mutant.length)] = static_cast<uint8_t>(Next(256));
    const Outcome outcome = decode(mutant);
    CHECK(outcome.fault == Fault::kNone ? outcome.bytes.length() <= limit : outcome.fault != Fault::kUnavailable);
  }
}

void TestLibrary() {
  dwcp::Library missing("libdwcp-not-there.so.9");
  int (*function)() = nullptr;
  missing.Bind(function, "anything");
  CHECK(function == nullptr && missing.problem().find("libdwcp-not-there") != std::string::npos);
  dwcp::Library c("libc.so.6");
  c.Bind(function, "getpid");
  CHECK(c.problem().empty() && function() == getpid());
  c.Bind(function, "dwcp_has_no_such_symbol");
  CHECK(c.problem().find("dwcp_has_no_such_symbol") != std::string::npos);
  std::puts("library: tested");
}

void TestDictionary() {
  if (!dwcp::DictionaryProblem().empty()) return void(std::printf("dictionary: NOT TESTED: %s\n", dwcp::DictionaryProblem().c_str()));
  std::string samples;
  std::vector<uint32_t> lengths;
  for (int count = 0; count < 400; ++count) {
    const std::string sample = "{\"node\":\"node-" + std::to_string(Next(500)) + "\",\"phase\":\"Ready\",\"load\":" + std::to_string(Next(9000)) + "}";
    samples += sample;
    lengths.push_back(static_cast<uint32_t>(sample.size()));
  }
  const Bytes all{reinterpret_cast<const uint8_t*>(samples.data()), samples.size()};
  const Bytes sizes{reinterpret_cast<const uint8_t*>(lengths.data()), lengths.size() * sizeof(uint32_t)};
  const Outcome trained = dwcp::TrainDictionary(all, sizes, 2048);
  CHECK(trained.fault == Fault::kNone && trained.bytes.length() <= 2048);
  CHECK(dwcp::TrainDictionary(all, {sizes.data, sizes.length - 4}, 2048).fault == Fault::kCorrupt);
  CHECK(dwcp::TrainDictionary({all.data, lengths[0]}, {sizes.data, 4}, 2048).fault == Fault::kUnavailable);
  const Exact dictionary(trained.bytes.data(), trained.bytes.length());
  const Exact source(all.data, lengths[0]);
  for (const int level : {1, 3, 19}) {
    const Outcome frame = dwcp::DictionaryCompress(source, dictionary, level);
    CHECK(frame.fault == Fault::kNone && frame.bytes.length() < source.length);
    const Outcome back = dwcp::DictionaryDecompress(Exact(frame.bytes.data(), frame.bytes.length()), dictionary, source.length);
    CHECK(back.fault == Fault::kNone && std::equal(source.data.get(), source.data.get() + source.length, back.bytes.data()));
    CHECK(dwcp::DictionaryDecompress({frame.bytes.data(), frame.bytes.length()}, dictionary, source.length - 1).fault == Fault::kTooLarge);
    Attack(frame, source.length, 4000, [&](Bytes bytes) { return dwcp::DictionaryDecompress(bytes, dictionary, source.length); });
    // A peer's dictionary is hostile too.
    for (int round = 0; round < 500; ++round) {
      Exact mutant(dictionary.data.get(), dictionary.length);
      for (uint32_t left = Next(4) + 1; left > 0; --left) mutant.data[4 + Next(200)] = static_cast<uint8_t>(Next(256));
      dwcp::DictionaryDecompress({frame.bytes.data(), frame.bytes.length()}, mutant, source.length);
      dwcp::DictionaryCompress(source, mutant, level);
    }
  }
  std::puts("dictionary: tested");
}

void TestZstd() {
  if (!dwcp::ZstdProblem().empty()) return void(std::printf("zstd: NOT TESTED: %s\n", dwcp::ZstdProblem().c_str()));
  const Exact source = StateLike(3000);
  const Exact prefix = StateLike(5000);
  for (const Bytes used : {Bytes{}, Bytes(prefix)}) {
    const Outcome frame = dwcp::ZstdCompress(source, used, 3);
    CHECK(frame.fault == Fault::kNone);
    const Outcome back = dwcp::ZstdDecompress(Exact(frame.bytes.data(), frame.bytes.length()), used, 3000);
    CHECK(back.fault == Fault::kNone && back.bytes.length() == 3000 && std::memcmp(back.bytes.data(), source.data.get(), 3000) == 0);
    CHECK(dwcp::ZstdDecompress({frame.bytes.data(), frame.bytes.length()}, used, 2999).fault == Fault::kTooLarge);
    Attack(frame, 3000, 4000, [&](Bytes bytes) { return dwcp::ZstdDecompress(bytes, used, 3000); });
  }
  // Level 19 with a wide window leaves a context past what is kept.
  const Exact large(20 << 20);
  CHECK(dwcp::ZstdCompress(large, prefix, 19).fault == Fault::kNone);
  std::puts("zstd: tested");
}

void TestLz4() {
  if (!dwcp::Lz4Problem().empty()) return void(std::printf("lz4: NOT TESTED: %s\n", dwcp::Lz4Problem().c_str()));
  const Exact source = StateLike(3000);
  const Exact prefix = StateLike(70000);
  for (const Bytes used : {Bytes{}, Bytes(prefix)}) {
    const Outcome block = dwcp::Lz4Compress(source, used);
    CHECK(block.fault == Fault::kNone);
    const auto decode = [&](Bytes bytes) { return dwcp::Lz4Decompress(bytes, used, 3000); };
    const Outcome back = decode(Exact(block.bytes.data(), block.bytes.length()));
    CHECK(back.fault == Fault::kNone && std::memcmp(back.bytes.data(), source.data.get(), 3000) == 0);
    Attack(block, 3000, 4000, decode);
  }
  const Outcome nothing = dwcp::Lz4Compress({}, {});
  CHECK(nothing.bytes.length() == 1 && dwcp::Lz4Decompress({nothing.bytes.data(), 1}, {}, 0).fault == Fault::kNone);
  CHECK(dwcp::Lz4Decompress({nothing.bytes.data(), 1}, {}, 1 << 30).fault == Fault::kCorrupt);
  std::puts("lz4: tested");
}

void TestDelta() {
  // Pieces of the base, moved and with words changed, between new bytes; some bases and targets are shorter than a seed.
  for (int round = 0; round < 200; ++round) {
    const Exact base = StateLike(round % 4 == 0 ? Next(40) : 20000 + Next(20000));
    std::vector<uint8_t> content;
    for (uint32_t parts = Next(12); parts > 0; --parts) {
      const uint32_t length = base.length > 0 ? Next(static_cast<uint32_t>(base.length)) : 0;
      const uint8_t* from = base.data.get() + (base.length > length ? Next(static_cast<uint32_t>(base.length - length)) : 0);
      content.insert(content.end(), from, from + length);
      for (uint32_t changes = Next(20); changes > 0 && length > 0; --changes) content[content.size() - 1 - Next(length)] ^= 1 + Next(255);
      for (uint32_t fresh = Next(60); fresh > 0; --fresh) content.push_back(static_cast<uint8_t>(Next(256)));
    }
    const Exact target(content.data(), content.size());
    const int64_t position = static_cast<int64_t>(Next(60000)) - 10000;
    const Outcome script = dwcp::Match(target, base, position, round % 3);
    CHECK(script.fault == Fault::kNone);
    const auto decode = [&](Bytes bytes) {
      const Outcome reference = dwcp::Reference(bytes, base, position, target.length, 50);
      CHECK(reference.bytes.length() <= base.length);
      return dwcp::Apply(bytes, base, position, target.length);
    };
    const Outcome back = decode(Exact(script.bytes.data(), script.bytes.length()));
    CHECK(back.fault == Fault::kNone && std::equal(content.begin(), content.end(), back.bytes.data()));
    if (round % 50 == 1) Attack(script, target.length, 2000, decode);
  }
  const Exact older = StateLike(3 << 20);
  const Exact newer = StateLike(3 << 20);
  int32_t word = 1;
  const dwcp::StopScope stopped(&word);
  CHECK(dwcp::Match(newer, older, 0, 1).fault == Fault::kStopped);
  word = 0;
  CHECK(dwcp::Match(newer, older, 0, 1).fault == Fault::kNone);
  std::puts("delta: tested");
}

void TestPageDelta() {
  if (!dwcp::PageDeltaProblem().empty()) return void(std::printf("pages: NOT TESTED: %s\n", dwcp::PageDeltaProblem().c_str()));
  for (const size_t page_bytes : {64u, 576u, 4096u}) {
    constexpr size_t kPages = 12;
    const Exact old = StateLike((kPages + 2) * page_bytes);
    Exact now(old.data.get(), kPages * page_bytes);
    now.data[page_bytes + Next(page_bytes)] ^= 1;
    for (size_t i = 2 * page_bytes; i < 3 * page_bytes; ++i) now.data[i] = static_cast<uint8_t>(Next(256));
    std::fill_n(now.data.get() + 3 * page_bytes, page_bytes, uint8_t{0});
    // Moved by two words, out of pages behind the old ones.
    std::copy_n(old.data.get() + kPages * page_bytes + 16, page_bytes, now.data.get() + 4 * page_bytes);
    const Outcome delta = dwcp::EncodePageDelta(now, old, page_bytes, 3);
    CHECK(delta.fault == Fault::kNone);
    const auto apply = [&](Bytes encoding) {
      Exact pages(old.data.get(), old.length);
      Outcome kinds = dwcp::ApplyPageDelta(encoding, pages.data.get(), pages.length, kPages, page_bytes);
      if (kinds.fault != Fault::kNone) CHECK(std::memcmp(pages.data.get(), old.data.get(), old.length) == 0);
      else CHECK(kinds.bytes.length() == kPages);
      return kinds;
    };
    Exact pages(old.data.get(), old.length);
    CHECK(dwcp::ApplyPageDelta(Exact(delta.bytes.data(), delta.bytes.length()), pages.data.get(), pages.length, kPages, page_bytes).fault == Fault::kNone);
    CHECK(std::memcmp(pages.data.get(), now.data.get(), now.length) == 0);
    Attack(delta, kPages, 4000, apply);
  }
  // Every way of scanning finds the same.
  const dwcp::PageScan* ways[] = {&dwcp::Scan(), &dwcp::PlainScan()};
  const Exact a = StateLike(8192);
  Exact b(a.data.get(), a.length);
  for (int i = 0; i < 40; ++i) b.data[Next(8192)] = static_cast<uint8_t>(Next(256));
  uint8_t masks[2][128];
  size_t counts[2][3];
  std::set<uint16_t> anchors[2];
  for (int i = 0; i < 2; ++i) {
    uint16_t places[1024];
    counts[i][0] = ways[i]->compare(a.data.get(), b.data.get(), 8192, masks[i]);
    counts[i][1] = ways[i]->is_zero(a.data.get(), 8192);
    counts[i][2] = ways[i]->anchors(a.data.get(), 8192, places);
    anchors[i] = std::set<uint16_t>(places, places + counts[i][2]);
  }
  CHECK(std::equal(counts[0], counts[0] + 3, counts[1]) && std::equal(masks[0], masks[0] + 128, masks[1]) && anchors[0] == anchors[1]);
  std::printf("pages: tested, %s\n", dwcp::Scan().name);
}

void TestHash() {
  if (!dwcp::HashProblem().empty()) return void(std::printf("hash: NOT TESTED: %s\n", dwcp::HashProblem().c_str()));
  const uint8_t of_nothing[] = {0x99, 0xaa, 0x06, 0xd3, 0x01, 0x47, 0x98, 0xd8, 0x60, 0x01, 0xc3, 0x24, 0x46, 0x8d, 0x49, 0x7f};
  uint8_t digest[dwcp::kDigestBytes];
  dwcp::Hash({}, digest);
  CHECK(std::memcmp(digest, of_nothing, sizeof(digest)) == 0);
  const Exact bytes = StateLike(9000);
  Exact pages(3 * dwcp::kDigestBytes);
  dwcp::HashPages(bytes, 4096, pages.data.get());
  dwcp::Hash({bytes.data.get() + 8192, 808}, digest);
  CHECK(std::memcmp(digest, pages.data.get() + 32, sizeof(digest)) == 0);
  const std::unique_ptr<dwcp::HashStream> stream(dwcp::HashStream::Create());
  stream->Update({});
  stream->Update({bytes.data.get() + 8192, 808});
  stream->Digest(digest);
  CHECK(std::memcmp(digest, pages.data.get() + 32, sizeof(digest)) == 0);
  std::puts("hash: tested");
}

void TestBlake3() {
  const uint8_t of_nothing[] = {0xaf, 0x13, 0x49, 0xb9, 0xf5, 0xf9, 0xa1, 0xa6};
  uint8_t digest[dwcp::kBlake3Bytes];
  dwcp::Blake3({}, digest);
  CHECK(std::memcmp(digest, of_nothing, sizeof(of_nothing)) == 0);
  std::vector<uint32_t> lengths;
  size_t total = 0;
  for (int i = 0; i < 300; ++i) {
    lengths.push_back(i % 40 == 7 ? Next(150'000) : i % 3 == 0 ? Next(8) * 1024 : Next(9000));
    total += lengths.back();
  }
  const Exact bytes = StateLike(total);
  Exact digests(lengths.size() * dwcp::kBlake3Bytes);
  dwcp::Blake3Each(bytes.data.get(), lengths.data(), lengths.size(), digests.data.get());
  const auto state = std::make_unique<dwcp::Blake3State>();
  size_t at = 0;
  for (size_t i = 0; i < lengths.size(); at += lengths[i++]) {
    const Exact one(bytes.data.get() + at, lengths[i]);
    dwcp::Blake3(one, digest);
    CHECK(std::memcmp(digest, digests.data.get() + i * sizeof(digest), sizeof(digest)) == 0);
    if (one.length <= dwcp::Blake3State::kSubtreeBytes) {
      uint8_t plain[dwcp::kBlake3Bytes];
      dwcp::Blake3Plain(one, plain);
      CHECK(std::memcmp(digest, plain, sizeof(digest)) == 0);
    }
    CHECK(state->Update(one));
  }
  dwcp::Blake3(bytes, digest);
  uint8_t streamed[dwcp::kBlake3Bytes];
  state->Digest(streamed);
  CHECK(std::memcmp(digest, streamed, sizeof(digest)) == 0);
  std::printf("blake3: tested, %s\n", dwcp::Blake3Way());
}

void TestChunk() {
  const Exact bytes = StateLike(300'000);
  for (int round = 0; round < 2000; ++round) {
    const size_t from = 8 + Next(40'000);
    const size_t to = from + Next(3000);
    const uint16_t mask = round % 2 == 0 ? 0x7ff0 : 0x7f00;
    // What may be read ends where the places do.
    const Exact part(bytes.data.get() + from - 8, to - from + 8);
    const size_t plain = dwcp::ChunkScanPlain().find(part.data.get(), 8, part.length, mask);
    CHECK(dwcp::ChunkScanChosen().find(part.data.get(), 8, part.length, mask) == plain);
  }
  for (const uint32_t average : {512u, 3000u, 65536u}) {
    for (const bool is_last : {true, false}) {
      const Outcome list = dwcp::Chunk(bytes, {average / 4, average, average * 4}, is_last, dwcp::DigestKind::kBlake3);
      CHECK(list.fault == Fault::kNone && list.bytes.length() % 36 == 0);
      size_t sum = 0;
      for (size_t at = 0; at < list.bytes.length(); at += 36) {
        uint32_t length;
        std::memcpy(&length, list.bytes.data() + at, sizeof(length));
        CHECK(length > 0 && length <= average * 4);
        sum += length;
      }
      CHECK(is_last ? sum == bytes.length : sum + average * 4 > bytes.length);
    }
  }
  std::printf("chunk: tested, %s\n", dwcp::ChunkScanChosen().name);
}

void TestSocket() {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  CHECK(bind(listener, reinterpret_cast<sockaddr*>(&address), length) == 0 && listen(listener, 1) == 0);
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length);
  const int client = socket(AF_INET, SOCK_STREAM, 0);
  CHECK(connect(client, reinterpret_cast<sockaddr*>(&address), length) == 0);
  CHECK(dwcp::SetCongestionControl(client, "reno") && dwcp::GetCongestionControl(client) == "reno");
  CHECK(!dwcp::SetCongestionControl(client, std::string(500, 'x')));
  CHECK(dwcp::SetMaxPacingRate(client, UINT64_MAX) && dwcp::SetNotSentLowWater(client, 1 << 17));
  std::array<double, dwcp::kTcpInfoFields> fields;
  CHECK(dwcp::ReadTcpInfo(client, fields) && fields[4] > 0 && !dwcp::ReadTcpInfo(-1, fields));
  close(client);
  close(listener);
  std::puts("socket: tested");
}

// Kibibytes of this process in huge pages.
long HugeKib() {
  long total = 0;
  char line[256];
  std::FILE* maps = std::fopen("/proc/self/smaps", "r");
  CHECK(maps != nullptr);
  while (std::fgets(line, sizeof(line), maps) != nullptr) {
    long kib = 0;
    if (std::sscanf(line, "AnonHugePages: %ld kB", &kib) == 1) total += kib;
  }
  std::fclose(maps);
  return total;
}

// Random writes, first touches and growth, with huge pages asked for or not. Half of the memory is populated before.
void TrackPages(bool huge) {
  constexpr size_t kPage = 4096;
  constexpr size_t kHuge = 2 << 20;
  constexpr size_t kMost = 16 * kHuge;
  void* mapped = mmap(nullptr, kMost + kHuge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  CHECK(mapped != MAP_FAILED);
  auto* memory = reinterpret_cast<uint8_t*>((reinterpret_cast<uintptr_t>(mapped) + kHuge - 1) / kHuge * kHuge);
  madvise(memory, kMost, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
  size_t length = 4 * kHuge;
  std::memset(memory, 5, length / 2);
  const long huge_kib = HugeKib();
  dwcp::DirtyPages pages;
  if (!pages.Start(reinterpret_cast<uintptr_t>(memory), length)) {
    std::printf("memory: NOT TESTED: %s\n", pages.problem().c_str());
    munmap(mapped, kMost + kHuge);
    return;
  }
  volatile uint8_t sum = 0;
  for (int round = 0; round < 60; ++round) {
    if (round % 5 == 4 && length < kMost) length += (Next(8) + 1) * 65536;
    std::set<uint32_t> expected;
    for (uint32_t left = Next(400); left > 0; --left) {
      const size_t at = Next(static_cast<uint32_t>(length));
      memory[at] = static_cast<uint8_t>(round + 1);
      expected.insert(static_cast<uint32_t>(at / kPage));
      sum = memory[Next(static_cast<uint32_t>(length))];
    }
    std::vector<uint32_t> written;
    CHECK(pages.Collect(length, written));
    CHECK(written == std::vector<uint32_t>(expected.begin(), expected.end()));
  }
  // More regions than one scan returns.
  std::vector<uint32_t> written;
  for (size_t page = 0; page < length / kPage; page += 2) memory[page * kPage] += 1;
  CHECK(pages.Collect(length, written) && written.size() == length / kPage / 2 && written.back() == length / kPage - 2);
  CHECK(!pages.Collect(length - kPage, written));
  pages.Stop();
  pages.Stop();
  memory[0] = static_cast<uint8_t>(sum);
  munmap(mapped, kMost + kHuge);
  std::printf("memory: tested, huge pages %s, %ld KiB of them before\n", huge ? "asked for" : "declined", huge_kib);
}

// A memory that changes, its frames applied to a flat copy; forks and their origins must not see each other.
void TestPageImages() {
  if (!dwcp::HashProblem().empty() || !dwcp::PageDeltaProblem().empty()) return void(std::puts("images: NOT TESTED: no libxxhash or libzstd"));
  constexpr size_t kPages = 700;
  constexpr size_t kPageBytes = 256;
  const std::vector<dwcp::RegionShape> shapes = {{kPageBytes, 5, 0}, {kPageBytes, kPages, 5}};
  const size_t slabs = dwcp::PagePool::For(kPageBytes).slab_count();
  {
    auto source = std::make_shared<dwcp::PageImage>(shapes);
    auto target = std::make_shared<dwcp::PageImage>(shapes);
    std::vector<std::shared_ptr<dwcp::PageImage>> baselines;
    std::vector<Exact> memories;
    std::optional<dwcp::FrameReader> reader;
    reader.emplace(target);
    Exact memory(kPages * kPageBytes);
    std::fill_n(memory.data.get(), memory.length, uint8_t{0});
    Exact arrived(memory.data.get(), memory.length);
    for (int round = 0; round < 30; ++round) {
      std::vector<uint32_t> listed;
      for (uint32_t page = 0; page < kPages; ++page) {
        uint8_t* at = memory.data.get() + page * kPageBytes;
        const uint32_t what = Next(40);
        if (what == 0) std::copy_n(StateLike(kPageBytes).data.get(), kPageBytes, at);
        if (what == 1) std::copy_n(memory.data.get() + Next(kPages) * kPageBytes, kPageBytes, at);
        if (what == 2) std::fill_n(at, kPageBytes, uint8_t{0});
        if (what == 3) at[Next(kPageBytes)] += 1;
        if (Next(3) > 0 || what < 4) listed.push_back(page);
      }
      dwcp::PageBatch batch(source);
      std::vector<uint8_t> bytes;
      for (const uint32_t page : listed) bytes.insert(bytes.end(), memory.data.get() + page * kPageBytes, memory.data.get() + (page + 1) * kPageBytes);
      const dwcp::TakeOptions options = {1, kPageBytes, true, true, true, kPages};
      const Outcome taken = batch.Take({bytes.data(), bytes.size()}, {reinterpret_cast<uint8_t*>(listed.data()), listed.size() * 4}, options);
      CHECK(taken.fault == Fault::kNone);
      const auto* head = reinterpret_cast<const uint32_t*>(taken.bytes.data());
      CHECK(head[0] == listed.size());
      const auto method = static_cast<dwcp::PackMethod>(round % 4);
      // Only page deltas may tell of old content.
      const bool is_delta = method == dwcp::PackMethod::kPageDelta;
      const Outcome packed = batch.Pack(method, 1, 8, dwcp::kDigestBytes);
      CHECK(packed.fault == Fault::kNone);
      const auto* numbers = reinterpret_cast<const uint32_t*>(packed.bytes.data());
      dwcp::PageFrame frame;
      frame.region = 1;
      frame.page_bytes = kPageBytes;
      frame.pages = listed;
      frame.references.assign(head + 4, head + 4 + head[3]);
      const uint8_t* hashes = taken.bytes.data() + (4 + head[3]) * 4;
      frame.outcomes.assign(hashes + listed.size() * 16, hashes + listed.size() * 17);
      frame.method = static_cast<dwcp::PackMethod>(numbers[0]);
      frame.sources.assign(numbers + 3, numbers + 3 + numbers[2]);
      if (!is_delta || frame.method != method) std::replace(frame.outcomes.begin(), frame.outcomes.end(), uint8_t{3}, uint8_t{4});
      const size_t payload = packed.bytes.length() - dwcp::kDigestBytes - numbers[1];
      const Exact packed_bytes(packed.bytes.data() + payload, numbers[1]);
      frame.head = {1, 2, 3};
      std::vector<uint8_t> checked = frame.head;
      checked.insert(checked.end(), hashes, hashes + listed.size() * dwcp::kDigestBytes);
      dwcp::Hash({checked.data(), checked.size()}, frame.check.emplace().data());
      // The pages are handed out in one round, and written to a memory in the next.
      const bool is_placed = round % 2 == 1;
      const Exact before(arrived.data.get(), arrived.length);
      uint8_t* to = is_placed ? arrived.data.get() : nullptr;
      bool is_read = false;
      Outcome pages;
      // Nothing of what is refused is in the memory afterwards, nor in the image. What is not refused has become the same pages.
      for (int attack = 0; attack < 20 && !is_read; ++attack) {
        dwcp::PageFrame bad = frame;
        Exact mutant(packed_bytes.data.get(), packed_bytes.length);
        if (mutant.length > 0) mutant.data[Next(static_cast<uint32_t>(mutant.length))] ^= static_cast<uint8_t>(1 + Next(255));
        if (!bad.references.empty() && Next(2) == 0) bad.references[Next(static_cast<uint32_t>(bad.references.size()))] = Next(kPages + 50);
        if (!bad.sources.empty() && Next(2) == 0) bad.sources[Next(static_cast<uint32_t>(bad.sources.size()))] = Next(kPages + 50);
        if (Next(4) == 0) (*bad.check)[Next(dwcp::kDigestBytes)] ^= 1;
        pages = reader->Read(bad, mutant, to);
        is_read = pages.fault == Fault::kNone;
        CHECK(is_read || pages.fault == Fault::kCorrupt);
        CHECK(is_read || std::memcmp(arrived.data.get(), before.data.get(), before.length) == 0);
      }
      if (!is_read) pages = reader->Read(frame, packed_bytes, to);
      CHECK(pages.fault == Fault::kNone && pages.bytes.length() == (is_placed ? 0 : bytes.size()));
      for (size_t index = 0; index < listed.size() && !is_placed; ++index) {
        CHECK(std::memcmp(pages.bytes.data() + index * kPageBytes, bytes.data() + index * kPageBytes, kPageBytes) == 0);
        std::copy_n(pages.bytes.data() + index * kPageBytes, kPageBytes, arrived.data.get() + listed[index] * kPageBytes);
      }
      for (const uint32_t page : listed) CHECK(std::memcmp(arrived.data.get() + page * kPageBytes, memory.data.get() + page * kPageBytes, kPageBytes) == 0);
      if (round % 5 == 4) {
        // What is known of the image, page for page, also of those not listed just now.
        baselines.push_back(target);
        baselines.back()->Keep();
        memories.emplace_back(memory.length);
        for (uint64_t page = 0; page < kPages; ++page) {
          const uint8_t* content = target->Content(1, page);
          std::memset(memories.back().data.get() + page * kPageBytes, 0, kPageBytes);
          if (content != nullptr) std::copy_n(content, kPageBytes, memories.back().data.get() + page * kPageBytes);
        }
        target = std::make_shared<dwcp::PageImage>(*target, shapes);
        reader.emplace(target);
        CHECK(target->CountKnown(memories.back(), kPageBytes) > 0);
      }
    }
    for (size_t index = 0; index < baselines.size(); ++index) {
      for (uint64_t page = 0; page < kPages; ++page) {
        const uint8_t* content = baselines[index]->Content(1, page);
        if (content != nullptr) CHECK(std::memcmp(content, memories[index].data.get() + page * kPageBytes, kPageBytes) == 0);
      }
      if (index % 2 == 0) CHECK(baselines[index]->Unkeep() > 0);
    }
  }
  // So few slabs stay for the next.
  CHECK(dwcp::PagePool::For(kPageBytes).slab_count() <= std::max<size_t>(slabs, 16));
  std::puts("images: tested");
}

struct SocketPair {
  int ends[2];
  SocketPair() {
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    for (const int end : ends) CHECK(fcntl(end, F_SETFL, O_NONBLOCK) == 0);
  }
};

constexpr uint64_t kTestRekeyBytes = 300'000;
constexpr uint32_t kTestBodyMax = 300'000;

dwcp::LinkOptions StreamOptions(bool is_sealed, bool is_caller, size_t queue_bytes = 1 << 20) {
  dwcp::LinkOptions options;
  options.rooms[4] = kTestBodyMax + 1;
  options.rooms[9] = 1;
  options.receive_queue_bytes = queue_bytes;
  if (!is_sealed) return options;
  dwcp::Secret secrets[2];
  secrets[0].fill(1);
  secrets[1].fill(2);
  options.sealing = dwcp::Seal::Create(secrets[is_caller ? 0 : 1], dwcp::AesGcm::Direction::kSeal, kTestRekeyBytes);
  options.opening = dwcp::Seal::Create(secrets[is_caller ? 1 : 0], dwcp::AesGcm::Direction::kOpen, kTestRekeyBytes);
  CHECK(options.sealing != nullptr && options.opening != nullptr);
  return options;
}

dwcp::OutgoingFrame FrameOf(uint32_t sequence, const Exact& body, uint8_t type = 4) {
  dwcp::OutgoingFrame frame;
  frame.head = {type, static_cast<uint32_t>(body.length), 7, sequence, 9};
  frame.body = body.data.get();
  return frame;
}

Exact RandomBody(uint32_t length) {
  Exact body(length);
  for (size_t at = 0; at < length; ++at) body.data[at] = static_cast<uint8_t>(Next(256));
  return body;
}

// What a link would send.
std::vector<uint8_t> WireOf(bool is_sealed, const std::vector<Exact>& bodies, uint8_t type = 4) {
  const SocketPair pair;
  dwcp::StreamLink link(pair.ends[0], StreamOptions(is_sealed, true), [] {});
  uint32_t sequence = 0;
  for (const Exact& body : bodies) link.Write(FrameOf(sequence++, body, type));
  link.End();
  std::vector<uint8_t> wire;
  uint8_t part[65536];
  for (ssize_t got = -1; got != 0;) {
    link.OnReady(false, true);
    got = read(pair.ends[1], part, sizeof(part));
    if (got > 0) wire.insert(wire.end(), part, part + got);
  }
  close(pair.ends[1]);
  return wire;
}

// How many of `bodies` come out of `wire` whole and in order, and how the link ends.
std::pair<size_t, dwcp::LinkEnd> Received(bool is_sealed, const std::vector<uint8_t>& wire, const std::vector<Exact>& bodies) {
  const SocketPair pair;
  dwcp::StreamLink link(pair.ends[0], StreamOptions(is_sealed, false), [] {});
  const Exact exact(wire.data(), wire.size());
  link.Begin(exact);
  close(pair.ends[1]);
  link.OnReady(true, false);
  dwcp::LinkNews news;
  link.Take(news, true);
  size_t whole = 0;
  for (const auto& frame : news.frames) {
    if (!frame.is_intact) continue;
    CHECK(frame.head.sequence >= whole && frame.head.sequence < bodies.size());
    const Exact& body = bodies[frame.head.sequence];
    CHECK(frame.body.length() == body.length && (body.length == 0 || std::memcmp(frame.body.data(), body.data.get(), body.length) == 0));
    ++whole;
  }
  return {whole, news.end};
}

void TestStreamAttacks(bool is_sealed) {
  using dwcp::LinkEnd;
  std::vector<Exact> bodies;
  for (const uint32_t length : {40u, 0u, 17u}) bodies.push_back(RandomBody(length));
  const auto wire = WireOf(is_sealed, bodies);
  CHECK(Received(is_sealed, wire, bodies) == std::make_pair(size_t{3}, LinkEnd::kEnded));
  const size_t head = is_sealed ? 36 : 44;
  const size_t first = head + 40 + (is_sealed ? 16 : 0);
  for (size_t at = 0; at < wire.size(); ++at) {
    const std::vector<uint8_t> cut(wire.begin(), wire.begin() + static_cast<ptrdiff_t>(at));
    const bool is_boundary = at == 0 || at == first || at == first + head;
    CHECK(Received(is_sealed, cut, bodies).second == (is_boundary ? LinkEnd::kEnded : LinkEnd::kCutOff));
    auto changed = wire;
    changed[at] ^= static_cast<uint8_t>(1 + Next(255));
    const auto [whole, end] = Received(is_sealed, changed, bodies);
    CHECK(whole < bodies.size());
    CHECK(end == LinkEnd::kForged || end == LinkEnd::kDamagedHead || (!is_sealed && end == LinkEnd::kEnded));
  }
  if (!is_sealed) return;
  std::vector<uint8_t> again(wire.begin(), wire.begin() + static_cast<ptrdiff_t>(first));
  again.insert(again.end(), wire.begin(), wire.end());
  CHECK(Received(true, again, bodies) == std::make_pair(size_t{1}, LinkEnd::kForged));
  const std::vector<uint8_t> left_out(wire.begin() + static_cast<ptrdiff_t>(first), wire.end());
  CHECK(Received(true, left_out, bodies) == std::make_pair(size_t{0}, LinkEnd::kForged));
}

void TestStreamLimits(bool is_sealed) {
  using dwcp::LinkEnd;
  std::vector<Exact> at_bound;
  at_bound.push_back(RandomBody(kTestBodyMax));
  CHECK(Received(is_sealed, WireOf(is_sealed, at_bound), at_bound) == std::make_pair(size_t{1}, LinkEnd::kEnded));
  std::vector<Exact> past;
  past.push_back(RandomBody(kTestBodyMax + 1));
  CHECK(Received(is_sealed, WireOf(is_sealed, past), past).second == LinkEnd::kRefusedLength);
  std::vector<Exact> little;
  little.push_back(RandomBody(1));
  CHECK(Received(is_sealed, WireOf(is_sealed, little, 9), little).second == LinkEnd::kRefusedLength);
  CHECK(Received(is_sealed, WireOf(is_sealed, little, 5), little).second == LinkEnd::kRefusedLength);
}

void TestStreamFlow(bool is_sealed) {
  const SocketPair pair;
  dwcp::StreamLink from(pair.ends[0], StreamOptions(is_sealed, true), [] {});
  dwcp::StreamLink to(pair.ends[1], StreamOptions(is_sealed, false, 100'000), [] {});
  std::vector<Exact> bodies;
  for (int at = 0; at < 60; ++at) bodies.push_back(RandomBody(Next(3) == 0 ? Next(kTestBodyMax) : Next(300)));
  uint32_t sequence = 0;
  for (const Exact& body : bodies) from.Write(FrameOf(sequence++, body));
  uint64_t sent = 0;
  size_t received = 0;
  bool was_full = false;
  for (int turn = 0; turn < 100'000 && (received < bodies.size() || sent < bodies.size()); ++turn) {
    from.OnReady(false, true);
    to.OnReady(true, false);
    dwcp::LinkNews news;
    from.Take(news, false);
    sent += news.sent_frames;
    was_full = was_full || !to.Wants().reads;
    if (Next(3) != 0) continue;
    size_t cost = 0;
    to.Take(news, true);
    for (const auto& frame : news.frames) {
      const Exact& body = bodies[received];
      CHECK(frame.is_intact && frame.head.sequence == received && frame.head.id == 7 && frame.head.ack == 9);
      CHECK(frame.body.length() == body.length && (body.length == 0 || std::memcmp(frame.body.data(), body.data.get(), body.length) == 0));
      cost += body.length;
      ++received;
    }
    // The queue, one frame more, and what came behind that in the same read.
    CHECK(cost < 100'000 + kTestBodyMax + 8192);
  }
  CHECK(received == bodies.size() && sent == bodies.size() && was_full);
  to.Close();
  from.Write(FrameOf(0, bodies[0]));
  for (int turn = 0; turn < 10; ++turn) from.OnReady(true, true);
  CHECK(from.Wants().fd == -1);
}

// Bodies are freed as soon as Close returns, while the thread is in the middle of them.
void TestStreamThread(bool is_sealed) {
  for (int round = 0; round < 20; ++round) {
    const SocketPair pair;
    auto from = std::make_shared<dwcp::StreamLink>(pair.ends[0], StreamOptions(is_sealed, true), [] {});
    auto to = std::make_shared<dwcp::StreamLink>(pair.ends[1], StreamOptions(is_sealed, false), [] {});
    dwcp::StreamThread& thread = *dwcp::StreamThread::Get();
    {
      std::vector<Exact> bodies;
      for (int at = 0; at < 8; ++at) bodies.push_back(RandomBody(20'000 + Next(200'000)));
      thread.Add(from);
      thread.Add(to);
      for (const Exact& body : bodies) {
        if (from->Write(FrameOf(0, body))) thread.Wake();
      }
      dwcp::LinkNews news;
      for (uint32_t turn = Next(30); turn > 0; --turn) {
        poll(nullptr, 0, 1);
        if (to->Take(news, true)) thread.Wake();
      }
      from->Close();
      thread.Wake();
    }
    to->Close();
    thread.Wake();
  }
}

void TestStream() {
  if (!dwcp::HashProblem().empty()) {
    std::printf("stream: NOT TESTED: %s\n", dwcp::HashProblem().c_str());
    return;
  }
  const bool can_seal = dwcp::AesGcmProblem().empty();
  for (const bool is_sealed : {false, true}) {
    if (is_sealed && !can_seal) continue;
    TestStreamAttacks(is_sealed);
    TestStreamLimits(is_sealed);
    TestStreamFlow(is_sealed);
    TestStreamThread(is_sealed);
  }
  std::printf("stream: tested\nseal: %s\n", can_seal ? "tested" : ("NOT TESTED: " + dwcp::AesGcmProblem()).c_str());
}

}  // namespace

int main() {
  TestLibrary();
  TestZstd();
  TestDictionary();
  TestLz4();
  TestDelta();
  TestPageDelta();
  TestPageImages();
  TestHash();
  TestBlake3();
  TestChunk();
  TestSocket();
  TestStream();
  TrackPages(false);
  TrackPages(true);
  return 0;
}
