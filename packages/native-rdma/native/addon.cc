// The binding: takes arguments apart, calls the core, hands results over. src/addon.ts declares and checks what comes in.
#include <napi.h>

#include <algorithm>
#include <array>
#include <limits>

#include "delta.h"
#include "dictionary.h"
#include "blake3.h"
#include "chunk.h"
#include "addon_pages.h"
#include "addon_stream.h"
#include "arguments.h"
#include "hash.h"
#include "job.h"
#include "lz4.h"
#include "memory.h"
#include "page_delta.h"
#include "page_scan.h"
#include "socket.h"
#include "stop.h"
#include "stream_seal.h"
#include "zstd.h"

namespace {

using dwcp::Bytes;
using dwcp::CountOf;
using dwcp::HeldBy;
using dwcp::Hold;
using dwcp::Outcome;

// src/addon.ts refuses an addon built for another signature of these functions.
constexpr uint32_t kBindingVersion = 13;

Bytes BytesOf(const Napi::Value& value) {
  const auto array = value.As<Napi::Uint8Array>();
  return {array.Data(), array.ByteLength()};
}

Napi::Value ZstdCompress(const Napi::CallbackInfo& info) {
  const int level = info[2].As<Napi::Number>().Int32Value();
  const int max_table_log = info[3].As<Napi::Number>().Int32Value();
  return dwcp::RunJob(info, [=](Bytes source, Bytes prefix) {
    return dwcp::ZstdCompress(source, prefix, level, dwcp::LongDistance::kNo, max_table_log);
  });
}

Napi::Value ZstdDecompress(const Napi::CallbackInfo& info) {
  const uint64_t max_bytes = CountOf(info[2]);
  return dwcp::RunJob(info, [max_bytes](Bytes frame, Bytes prefix) { return dwcp::ZstdDecompress(frame, prefix, max_bytes); });
}

Napi::Value DictionaryTrain(const Napi::CallbackInfo& info) {
  const uint64_t max_bytes = CountOf(info[2]);
  return dwcp::RunJob(info, [max_bytes](Bytes samples, Bytes lengths) { return dwcp::TrainDictionary(samples, lengths, max_bytes); });
}

Napi::Value DictionaryCompress(const Napi::CallbackInfo& info) {
  const int level = info[2].As<Napi::Number>().Int32Value();
  return dwcp::RunJob(info, [level](Bytes source, Bytes dictionary) { return dwcp::DictionaryCompress(source, dictionary, level); });
}

Napi::Value DictionaryDecompress(const Napi::CallbackInfo& info) {
  const uint64_t max_bytes = CountOf(info[2]);
  return dwcp::RunJob(info, [max_bytes](Bytes frame, Bytes dictionary) {
    return dwcp::DictionaryDecompress(frame, dictionary, max_bytes);
  });
}

Napi::Value Lz4Compress(const Napi::CallbackInfo& info) { return dwcp::RunJob(info, dwcp::Lz4Compress); }

Napi::Value Lz4Decompress(const Napi::CallbackInfo& info) {
  const uint64_t length = CountOf(info[2]);
  return dwcp::RunJob(info, [length](Bytes block, Bytes prefix) { return dwcp::Lz4Decompress(block, prefix, length); });
}

int64_t SignedOf(const Napi::Value& value) { return value.As<Napi::Number>().Int64Value(); }

Napi::Value Match(const Napi::CallbackInfo& info) {
  const int64_t position = SignedOf(info[2]);
  const int effort = info[3].As<Napi::Number>().Int32Value();
  return dwcp::RunJob(info, [=](Bytes target, Bytes base) { return dwcp::Match(target, base, position, effort); });
}

Napi::Value Apply(const Napi::CallbackInfo& info) {
  const int64_t position = SignedOf(info[2]);
  const uint64_t length = CountOf(info[3]);
  return dwcp::RunJob(info, [=](Bytes script, Bytes base) { return dwcp::Apply(script, base, position, length); });
}

Napi::Value Reference(const Napi::CallbackInfo& info) {
  const int64_t position = SignedOf(info[2]);
  const uint64_t length = CountOf(info[3]);
  const uint64_t literal_bytes = CountOf(info[4]);
  return dwcp::RunJob(info, [=](Bytes script, Bytes base) { return dwcp::Reference(script, base, position, length, literal_bytes); });
}

Napi::Value Allocate(const Napi::CallbackInfo& info) {
  dwcp::Buffer buffer;
  napi_value array = nullptr;
  if (!buffer.Allocate(CountOf(info[0])) || !dwcp::ToUint8Array(info.Env(), buffer, &array)) return info.Env().Undefined();
  return Napi::Value(info.Env(), array);
}

Napi::Value PageDeltaEncode(const Napi::CallbackInfo& info) {
  const uint64_t page_bytes = CountOf(info[2]);
  const int level = info[3].As<Napi::Number>().Int32Value();
  return dwcp::RunJob(info, [page_bytes, level](Bytes new_pages, Bytes old_pages) {
    return dwcp::EncodePageDelta(new_pages, old_pages, page_bytes, level);
  });
}

Napi::Value PageDeltaApply(const Napi::CallbackInfo& info) {
  const uint64_t count = CountOf(info[2]);
  const uint64_t page_bytes = CountOf(info[3]);
  // The pages are the caller's to lend, and are not read by it until the job is done.
  uint8_t* pages = info[1].As<Napi::Uint8Array>().Data();
  return dwcp::RunJob(info, [pages, count, page_bytes](Bytes encoding, Bytes held) {
    return dwcp::ApplyPageDelta(encoding, pages, held.length, count, page_bytes);
  });
}

void ScanPages(const Napi::CallbackInfo& info) {
  const Bytes new_pages = BytesOf(info[1]);
  const uint64_t page_bytes = CountOf(info[2]);
  dwcp::ScanPages(BytesOf(info[0]).data, new_pages.data, new_pages.length / page_bytes, page_bytes, info[3].As<Napi::Uint8Array>().Data());
}

void TagPages(const Napi::CallbackInfo& info) {
  const Bytes pages = BytesOf(info[0]);
  const uint64_t page_bytes = CountOf(info[1]);
  dwcp::TagPages(pages.data, pages.length / page_bytes, page_bytes, info[2].As<Napi::Uint32Array>().Data());
}

void Hash(const Napi::CallbackInfo& info) { dwcp::Hash(BytesOf(info[0]), info[1].As<Napi::Uint8Array>().Data()); }

void HashPages(const Napi::CallbackInfo& info) {
  dwcp::HashPages(BytesOf(info[0]), CountOf(info[1]), info[2].As<Napi::Uint8Array>().Data());
}

Napi::Value HashStreamCreate(const Napi::CallbackInfo& info) {
  dwcp::HashStream* stream = dwcp::HashStream::Create();
  return stream != nullptr ? Hold(info.Env(), stream) : info.Env().Undefined();
}

void HashStreamUpdate(const Napi::CallbackInfo& info) { HeldBy<dwcp::HashStream>(info[0])->Update(BytesOf(info[1])); }

void HashStreamDigest(const Napi::CallbackInfo& info) {
  HeldBy<dwcp::HashStream>(info[0])->Digest(info[1].As<Napi::Uint8Array>().Data());
}

void Blake3(const Napi::CallbackInfo& info) { dwcp::Blake3(BytesOf(info[0]), info[1].As<Napi::Uint8Array>().Data()); }

// The state is the caller's to lend, and is not touched by it until the job is done.
Napi::Value Blake3Update(const Napi::CallbackInfo& info) {
  auto* state = reinterpret_cast<dwcp::Blake3State*>(info[1].As<Napi::Uint8Array>().Data());
  return dwcp::RunJob(info, [state](Bytes bytes, Bytes) { return state->Update(bytes) ? Outcome{} : dwcp::Stopped(); });
}

void Blake3Digest(const Napi::CallbackInfo& info) {
  const auto* state = reinterpret_cast<const dwcp::Blake3State*>(BytesOf(info[0]).data);
  state->Digest(info[1].As<Napi::Uint8Array>().Data());
}

Napi::Value Chunk(const Napi::CallbackInfo& info) {
  const auto number = [&info](size_t at) { return info[at].As<Napi::Number>().Uint32Value(); };
  const dwcp::ChunkSizes sizes = {number(2), number(3), number(4)};
  const bool is_last = info[5].As<Napi::Boolean>().Value();
  const auto kind = static_cast<dwcp::DigestKind>(number(6));
  return dwcp::RunJob(info, [=](Bytes bytes, Bytes) { return dwcp::Chunk(bytes, sizes, is_last, kind); });
}

int DescriptorOf(const Napi::Value& value) { return value.As<Napi::Number>().Int32Value(); }

Napi::Value SetCongestionControl(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), dwcp::SetCongestionControl(DescriptorOf(info[0]), info[1].As<Napi::String>().Utf8Value()));
}

Napi::Value GetCongestionControl(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), dwcp::GetCongestionControl(DescriptorOf(info[0])));
}

Napi::Value SetMaxPacingRate(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), dwcp::SetMaxPacingRate(DescriptorOf(info[0]), CountOf(info[1])));
}

Napi::Value SetNotSentLowWater(const Napi::CallbackInfo& info) {
  const uint64_t bytes = std::min<uint64_t>(CountOf(info[1]), std::numeric_limits<uint32_t>::max());
  return Napi::Boolean::New(info.Env(), dwcp::SetNotSentLowWater(DescriptorOf(info[0]), static_cast<uint32_t>(bytes)));
}

Napi::Value TcpInfo(const Napi::CallbackInfo& info) {
  std::array<double, dwcp::kTcpInfoFields> fields;
  if (!dwcp::ReadTcpInfo(DescriptorOf(info[0]), fields)) return info.Env().Undefined();
  auto array = Napi::Float64Array::New(info.Env(), fields.size());
  std::copy(fields.begin(), fields.end(), array.Data());
  return array;
}

// A tracker, or a string that says why there is none.
Napi::Value DirtyPagesStart(const Napi::CallbackInfo& info) {
  auto memory = info[0].As<Napi::ArrayBuffer>();
  auto* pages = new dwcp::DirtyPages();
  if (pages->Start(reinterpret_cast<uintptr_t>(memory.Data()), memory.ByteLength())) return Hold(info.Env(), pages);
  const auto problem = Napi::String::New(info.Env(), pages->problem());
  delete pages;
  return problem;
}

// The numbers of the written pages, or a string that says why they are not known.
Napi::Value DirtyPagesCollect(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto* pages = HeldBy<dwcp::DirtyPages>(info[0]);
  auto memory = info[1].As<Napi::ArrayBuffer>();
  if (reinterpret_cast<uintptr_t>(memory.Data()) != pages->base()) return Napi::String::New(env, "the memory has moved");
  std::vector<uint32_t> written;
  if (!pages->Collect(memory.ByteLength(), written)) return Napi::String::New(env, pages->problem());
  auto array = Napi::Uint32Array::New(env, written.size());
  std::copy(written.begin(), written.end(), array.Data());
  return array;
}

void DirtyPagesStop(const Napi::CallbackInfo& info) { HeldBy<dwcp::DirtyPages>(info[0])->Stop(); }

// Opens the library when asked: { usable, reason }.
Napi::Value Library(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::string name = info[0].As<Napi::String>().Utf8Value();
  std::string problem = "no such capability";
  std::string reason;
  if (name == "zstd") {
    problem = dwcp::ZstdProblem();
    if (problem.empty()) reason = std::string("libzstd.so.1 ") + dwcp::ZstdVersion();
  } else if (name == "dictionary") {
    problem = dwcp::DictionaryProblem();
    if (problem.empty()) reason = std::string("libzstd.so.1 ") + dwcp::ZstdVersion();
  } else if (name == "lz4") {
    problem = dwcp::Lz4Problem();
    if (problem.empty()) reason = std::string("liblz4.so.1 ") + dwcp::Lz4Version();
  } else if (name == "pages") {
    problem = dwcp::PageDeltaProblem();
    if (problem.empty()) reason = std::string("libzstd.so.1 ") + dwcp::ZstdVersion() + ", " + dwcp::Scan().name;
  } else if (name == "hash") {
    problem = dwcp::HashProblem();
    if (problem.empty()) reason = "libxxhash.so.0 " + dwcp::HashVersion();
  } else if (name == "blake3") {
    problem = "";
    reason = dwcp::Blake3Way();
  } else if (name == "chunk") {
    problem = "";
    reason = dwcp::ChunkScanChosen().name;
  } else if (name == "socket") {
    problem = dwcp::SocketProblem();
    if (problem.empty()) reason = "socket options by descriptor";
  } else if (name == "stream") {
    problem = dwcp::StreamProblem();
    if (problem.empty()) reason = "a thread of its own, libxxhash.so.0 " + dwcp::HashVersion();
  } else if (name == "seal") {
    problem = dwcp::AesGcmProblem();
    if (problem.empty()) reason = dwcp::AesGcmVersion();
  }
  auto library = Napi::Object::New(env);
  library.Set("usable", Napi::Boolean::New(env, problem.empty()));
  library.Set("reason", Napi::String::New(env, problem.empty() ? reason : problem));
  return library;
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  dwcp::JobLedger::Open(env);
  exports.Set("version", Napi::Number::New(env, kBindingVersion));
  exports.Set("library", Napi::Function::New(env, Library, "library"));
  exports.Set("zstdCompress", Napi::Function::New(env, ZstdCompress, "zstdCompress"));
  exports.Set("zstdDecompress", Napi::Function::New(env, ZstdDecompress, "zstdDecompress"));
  exports.Set("dictionaryTrain", Napi::Function::New(env, DictionaryTrain, "dictionaryTrain"));
  exports.Set("dictionaryCompress", Napi::Function::New(env, DictionaryCompress, "dictionaryCompress"));
  exports.Set("dictionaryDecompress", Napi::Function::New(env, DictionaryDecompress, "dictionaryDecompress"));
  exports.Set("lz4Compress", Napi::Function::New(env, Lz4Compress, "lz4Compress"));
  exports.Set("lz4Decompress", Napi::Function::New(env, Lz4Decompress, "lz4Decompress"));
  exports.Set("match", Napi::Function::New(env, Match, "match"));
  exports.Set("apply", Napi::Function::New(env, Apply, "apply"));
  exports.Set("reference", Napi::Function::New(env, Reference, "reference"));
  exports.Set("allocate", Napi::Function::New(env, Allocate, "allocate"));
  exports.Set("pageDeltaEncode", Napi::Function::New(env, PageDeltaEncode, "pageDeltaEncode"));
  exports.Set("pageDeltaApply", Napi::Function::New(env, PageDeltaApply, "pageDeltaApply"));
  exports.Set("scanPages", Napi::Function::New(env, ScanPages, "scanPages"));
  exports.Set("tagPages", Napi::Function::New(env, TagPages, "tagPages"));
  exports.Set("hash", Napi::Function::New(env, Hash, "hash"));
  exports.Set("hashPages", Napi::Function::New(env, HashPages, "hashPages"));
  exports.Set("hashStreamCreate", Napi::Function::New(env, HashStreamCreate, "hashStreamCreate"));
  exports.Set("hashStreamUpdate", Napi::Function::New(env, HashStreamUpdate, "hashStreamUpdate"));
  exports.Set("hashStreamDigest", Napi::Function::New(env, HashStreamDigest, "hashStreamDigest"));
  exports.Set("blake3StateBytes", Napi::Number::New(env, sizeof(dwcp::Blake3State)));
  exports.Set("blake3", Napi::Function::New(env, Blake3, "blake3"));
  exports.Set("blake3Update", Napi::Function::New(env, Blake3Update, "blake3Update"));
  exports.Set("blake3Digest", Napi::Function::New(env, Blake3Digest, "blake3Digest"));
  exports.Set("chunk", Napi::Function::New(env, Chunk, "chunk"));
  exports.Set("setCongestionControl", Napi::Function::New(env, SetCongestionControl, "setCongestionControl"));
  exports.Set("getCongestionControl", Napi::Function::New(env, GetCongestionControl, "getCongestionControl"));
  exports.Set("setMaxPacingRate", Napi::Function::New(env, SetMaxPacingRate, "setMaxPacingRate"));
  exports.Set("setNotSentLowWater", Napi::Function::New(env, SetNotSentLowWater, "setNotSentLowWater"));
  exports.Set("tcpInfo", Napi::Function::New(env, TcpInfo, "tcpInfo"));
  exports.Set("dirtyPagesStart", Napi::Function::New(env, DirtyPagesStart, "dirtyPagesStart"));
  exports.Set("dirtyPagesCollect", Napi::Function::New(env, DirtyPagesCollect, "dirtyPagesCollect"));
  exports.Set("dirtyPagesStop", Napi::Function::New(env, DirtyPagesStop, "dirtyPagesStop"));
  dwcp::ExportPages(env, exports);
  dwcp::ExportStreams(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(dwcp_native, Init)
