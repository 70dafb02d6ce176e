#include "addon_stream.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "arguments.h"
#include "stream_link.h"
#include "stream_thread.h"

namespace dwcp {
namespace {

// Below this a copy is cheaper than the finalizer of an external buffer.
constexpr size_t kMinExternalBytes = 64 << 10;

// In plain Node-API where it may run while the environment goes: node-addon-api would abort.
struct HeldLink {
  napi_env env = nullptr;
  napi_threadsafe_function notify = nullptr;
  std::shared_ptr<StreamLink> link;
  bool is_closed = false;

  // From here on the thread calls nothing of this environment and reads nothing that it lent.
  void Close() {
    if (is_closed) return;
    is_closed = true;
    link->Close();
    StreamThread::Get()->Wake();
  }

  ~HeldLink() { Release(); }

  void Release() {
    if (notify == nullptr) return;
    Close();
    napi_remove_env_cleanup_hook(env, OnCleanup, this);
    napi_release_threadsafe_function(notify, napi_tsfn_abort);
    notify = nullptr;
  }

  // The function goes with the environment.
  static void OnCleanup(void* data) {
    auto* held = static_cast<HeldLink*>(data);
    held->Close();
    held->notify = nullptr;
  }
};

Bytes BytesOf(const Napi::Value& value) {
  const auto array = value.As<Napi::Uint8Array>();
  return {array.Data(), array.ByteLength()};
}

uint32_t NumberOf(const Napi::Value& value) { return value.As<Napi::Number>().Uint32Value(); }

std::unique_ptr<Seal> SealOf(const Napi::Value& value, AesGcm::Direction direction, uint64_t rekey_bytes) {
  Secret secret;
  std::copy_n(BytesOf(value).data, secret.size(), secret.data());
  return Seal::Create(secret, direction, rekey_bytes);
}

Napi::Value Open(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto problem = [&](const char* what) { return Napi::String::New(env, std::string(what) + ": " + std::strerror(errno)); };
  LinkOptions options;
  std::copy_n(info[1].As<Napi::Uint32Array>().Data(), options.rooms.size(), options.rooms.data());
  options.receive_queue_bytes = CountOf(info[2]);
  options.send_queue_bytes = CountOf(info[3]);
  if (!info[5].IsUndefined()) {
    const uint64_t rekey_bytes = CountOf(info[7]);
    options.sealing = SealOf(info[5], AesGcm::Direction::kSeal, rekey_bytes);
    options.opening = SealOf(info[6], AesGcm::Direction::kOpen, rekey_bytes);
    if (options.sealing == nullptr || options.opening == nullptr) return Napi::String::New(env, "OpenSSL refuses AES-256-GCM");
  }
  StreamThread* thread = StreamThread::Get();
  if (thread == nullptr) return problem("no thread");

  auto held = std::make_unique<HeldLink>();
  held->env = env;
  napi_threadsafe_function notify = nullptr;
  if (napi_create_threadsafe_function(env, info[8], nullptr, Napi::String::New(env, "dwcp.stream"), 0, 1, nullptr, nullptr, nullptr, nullptr,
                                      &notify) != napi_ok) {
    return Napi::String::New(env, "the environment is closing");
  }
  const int fd = fcntl(info[0].As<Napi::Number>().Int32Value(), F_DUPFD_CLOEXEC, 3);
  if (fd < 0) {
    const auto said = problem("the descriptor cannot be taken over");
    napi_release_threadsafe_function(notify, napi_tsfn_abort);
    return said;
  }
  held->link = std::make_shared<StreamLink>(fd, std::move(options), [notify] {
    napi_call_threadsafe_function(notify, nullptr, napi_tsfn_nonblocking);
  });
  held->notify = notify;
  // After the function's own hook, so that it runs before that.
  napi_add_env_cleanup_hook(env, HeldLink::OnCleanup, held.get());
  held->link->Begin(BytesOf(info[4]));
  thread->Add(held->link);
  return Hold(env, held.release());
}

void Write(const Napi::CallbackInfo& info) {
  auto* held = HeldBy<HeldLink>(info[0]);
  const Bytes body = BytesOf(info[5]);
  OutgoingFrame frame;
  frame.head = {static_cast<uint8_t>(NumberOf(info[1])), static_cast<uint32_t>(body.length), NumberOf(info[2]), NumberOf(info[3]),
                NumberOf(info[4])};
  frame.body = body.data;
  frame.has_digest = !info[6].IsUndefined();
  if (frame.has_digest) std::copy_n(BytesOf(info[6]).data, frame.digest.size(), frame.digest.data());
  if (held->link->Write(frame)) StreamThread::Get()->Wake();
}

// Null with an exception pending.
napi_value ToArrayBuffer(napi_env env, PooledBody body) {
  napi_value buffer = nullptr;
  if (body.length() >= kMinExternalBytes) {
    auto held = std::make_unique<PooledBody>(std::move(body));
    const auto release = [](napi_env, void*, void* hint) { delete static_cast<PooledBody*>(hint); };
    if (napi_create_external_arraybuffer(env, held->data(), held->length(), release, held.get(), &buffer) == napi_ok) {
      held.release();
      return buffer;
    }
    // Runtimes with a memory cage allow no external buffers: copied there.
    body = std::move(*held);
  }
  void* data = nullptr;
  if (napi_create_arraybuffer(env, body.length(), &data, &buffer) != napi_ok) return nullptr;
  if (body.length() > 0) std::copy_n(body.data(), body.length(), static_cast<uint8_t*>(data));
  return buffer;
}

constexpr size_t kNumbersPerFrame = 5 + kDigestBytes / sizeof(uint32_t);

// What it gives beside the bodies: sent frames, how the link ended, the system's error; then of each frame type, id, sequence, ack,
// whether it is intact, and the bytes of its digest.
Napi::Value Take(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto* held = HeldBy<HeldLink>(info[0]);
  auto bodies = info[2].As<Napi::Array>();
  LinkNews news;
  if (held->link->Take(news, info[1].As<Napi::Boolean>().Value())) StreamThread::Get()->Wake();
  auto numbers = Napi::Uint32Array::New(env, 3 + kNumbersPerFrame * news.frames.size());
  uint32_t* to = numbers.Data();
  *to++ = static_cast<uint32_t>(news.sent_frames);
  *to++ = static_cast<uint32_t>(news.end);
  *to++ = static_cast<uint32_t>(news.system_error);
  uint32_t at = 0;
  for (IncomingFrame& frame : news.frames) {
    for (const uint32_t number : {static_cast<uint32_t>(frame.head.type), frame.head.id, frame.head.sequence, frame.head.ack}) *to++ = number;
    *to++ = frame.is_intact ? 1 : 0;
    std::memcpy(to, frame.digest.data(), kDigestBytes);
    to += kDigestBytes / sizeof(uint32_t);
    const napi_value buffer = ToArrayBuffer(env, std::move(frame.body));
    if (buffer == nullptr) return env.Undefined();
    bodies.Set(at++, Napi::Value(env, buffer));
  }
  return numbers;
}

void End(const Napi::CallbackInfo& info) {
  if (HeldBy<HeldLink>(info[0])->link->End()) StreamThread::Get()->Wake();
}

void Close(const Napi::CallbackInfo& info) { HeldBy<HeldLink>(info[0])->Release(); }

// Descriptor (-1 once it is closed), bytes sent and received.
Napi::Value Counts(const Napi::CallbackInfo& info) {
  const StreamLink& link = *HeldBy<HeldLink>(info[0])->link;
  auto counts = Napi::Float64Array::New(info.Env(), 3);
  counts[0] = link.fd();
  counts[1] = static_cast<double>(link.sent_bytes());
  counts[2] = static_cast<double>(link.received_bytes());
  return counts;
}

void GiveBack(const Napi::CallbackInfo& info) { napi_detach_arraybuffer(info.Env(), info[0]); }

}  // namespace

const std::string& StreamProblem() { return HashProblem(); }

void ExportStreams(Napi::Env env, Napi::Object exports) {
  exports.Set("streamOpen", Napi::Function::New(env, Open, "streamOpen"));
  exports.Set("streamWrite", Napi::Function::New(env, Write, "streamWrite"));
  exports.Set("streamTake", Napi::Function::New(env, Take, "streamTake"));
  exports.Set("streamEnd", Napi::Function::New(env, End, "streamEnd"));
  exports.Set("streamClose", Napi::Function::New(env, Close, "streamClose"));
  exports.Set("streamCounts", Napi::Function::New(env, Counts, "streamCounts"));
  exports.Set("streamGiveBack", Napi::Function::New(env, GiveBack, "streamGiveBack"));
}

}  // namespace dwcp
