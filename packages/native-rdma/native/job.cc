#include "job.h"

#include <algorithm>
#include <memory>

#include "stop.h"

namespace dwcp {
namespace {

// Below this a copy is cheaper than the finalizer of an external buffer.
constexpr size_t kMinExternalBytes = 64 << 10;

// In plain Node-API: in an environment that is going away every call may fail, which node-addon-api would answer by aborting.
struct Job {
  napi_env env = nullptr;
  JobLedger* ledger = nullptr;
  napi_async_work work = nullptr;
  napi_deferred deferred = nullptr;
  napi_ref held_source = nullptr;
  napi_ref held_prefix = nullptr;
  napi_ref held_stop_word = nullptr;
  int32_t* stop_word = nullptr;
  Bytes source;
  Bytes prefix;
  CodecWork run;
  Outcome outcome;

  ~Job() {
    napi_delete_reference(env, held_source);
    napi_delete_reference(env, held_prefix);
    napi_delete_reference(env, held_stop_word);
    napi_delete_async_work(env, work);
    ledger->End();
  }
};

bool ToError(napi_env env, const Outcome& outcome, napi_value* error) {
  napi_value message = nullptr;
  napi_value fault = nullptr;
  return napi_create_string_utf8(env, outcome.message.data(), outcome.message.size(), &message) == napi_ok &&
         napi_create_error(env, nullptr, message, error) == napi_ok &&
         napi_create_uint32(env, static_cast<uint32_t>(outcome.fault), &fault) == napi_ok &&
         napi_set_named_property(env, *error, "fault", fault) == napi_ok;
}

// Whether the array still is what the job was lent.
bool IsHeld(napi_env env, napi_ref held, Bytes lent) {
  napi_value array = nullptr;
  void* data = nullptr;
  size_t length = 0;
  return napi_get_reference_value(env, held, &array) == napi_ok &&
         napi_get_typedarray_info(env, array, nullptr, &length, &data, nullptr, nullptr) == napi_ok && length == lent.length &&
         (length == 0 || data == lent.data);
}

bool ToTakenAway(napi_env env, napi_value* error) {
  constexpr char kText[] = "bytes that a job had borrowed were transferred before it was done";
  napi_value message = nullptr;
  return napi_create_string_utf8(env, kText, sizeof(kText) - 1, &message) == napi_ok &&
         napi_create_type_error(env, nullptr, message, error) == napi_ok;
}

void Settle(napi_env env, Job& job) {
  napi_value value = nullptr;
  const bool is_held = IsHeld(env, job.held_source, job.source) && IsHeld(env, job.held_prefix, job.prefix);
  if (!is_held && ToTakenAway(env, &value)) {
    napi_reject_deferred(env, job.deferred, value);
  } else if (job.outcome.fault == Fault::kNone && ToUint8Array(env, job.outcome.bytes, &value)) {
    napi_resolve_deferred(env, job.deferred, value);
  } else if (job.outcome.fault != Fault::kNone && ToError(env, job.outcome, &value)) {
    napi_reject_deferred(env, job.deferred, value);
  } else if (napi_get_and_clear_last_exception(env, &value) == napi_ok) {
    napi_reject_deferred(env, job.deferred, value);
  }
}

void Execute(napi_env, void* data) {
  auto* job = static_cast<Job*>(data);
  const StopScope scope(job->stop_word);
  job->outcome = IsStopped() ? Stopped() : job->run(job->source, job->prefix);
}

void Complete(napi_env env, napi_status status, void* data) {
  const std::unique_ptr<Job> job(static_cast<Job*>(data));
  if (status == napi_ok) Settle(env, *job);
}

Bytes BytesOf(const Napi::Value& value) {
  const auto array = value.As<Napi::Uint8Array>();
  return {array.Data(), array.ByteLength()};
}

bool HoldStopWord(napi_env env, const Napi::Value& value, Job& job) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_int32_array) return true;
  job.stop_word = value.As<Napi::Int32Array>().Data();
  return napi_create_reference(env, value, 1, &job.held_stop_word) == napi_ok;
}

}  // namespace

bool ToUint8Array(napi_env env, Buffer& bytes, napi_value* array) {
  const size_t length = bytes.length();
  napi_value buffer = nullptr;
  if (length >= kMinExternalBytes) {
    const auto release = [](napi_env, void* data, void*) { std::free(data); };
    if (napi_create_external_arraybuffer(env, bytes.data(), length, release, nullptr, &buffer) == napi_ok) {
      bytes.Release();
      return napi_create_typedarray(env, napi_uint8_array, length, buffer, 0, array) == napi_ok;
    }
    // Runtimes with a memory cage allow no external buffers: copied there.
  }
  void* data = nullptr;
  if (napi_create_arraybuffer(env, length, &data, &buffer) != napi_ok) return false;
  if (length > 0) std::copy_n(bytes.data(), length, static_cast<uint8_t*>(data));
  return napi_create_typedarray(env, napi_uint8_array, length, buffer, 0, array) == napi_ok;
}

void JobLedger::Open(Napi::Env env) {
  auto* ledger = new JobLedger();
  env.SetInstanceData(ledger);
  napi_add_async_cleanup_hook(env, OnCleanup, ledger, &ledger->hook_);
}

void JobLedger::End() {
  --running_;
  if (is_closing_ && running_ == 0) napi_remove_async_cleanup_hook(hook_);
}

void JobLedger::OnCleanup(napi_async_cleanup_hook_handle hook, void* data) {
  auto* ledger = static_cast<JobLedger*>(data);
  ledger->is_closing_ = true;
  if (ledger->running_ == 0) napi_remove_async_cleanup_hook(hook);
}

Napi::Value RunJob(const Napi::CallbackInfo& info, CodecWork run) {
  const Napi::Env env = info.Env();
  auto job = std::make_unique<Job>();
  job->env = env;
  job->ledger = env.GetInstanceData<JobLedger>();
  job->ledger->Begin();
  job->source = BytesOf(info[0]);
  job->prefix = BytesOf(info[1]);
  job->run = std::move(run);
  napi_value promise = nullptr;
  const bool is_queued = napi_create_reference(env, info[0], 1, &job->held_source) == napi_ok &&
                         napi_create_reference(env, info[1], 1, &job->held_prefix) == napi_ok &&
                         HoldStopWord(env, info[info.Length() - 1], *job) &&
                         napi_create_promise(env, &job->deferred, &promise) == napi_ok &&
                         napi_create_async_work(env, nullptr, Napi::String::New(env, "dwcp.codec"), Execute, Complete, job.get(),
                                                &job->work) == napi_ok &&
                         napi_queue_async_work(env, job->work) == napi_ok;
  if (!is_queued) return env.Undefined();
  job.release();
  return Napi::Value(env, promise);
}

}  // namespace dwcp
