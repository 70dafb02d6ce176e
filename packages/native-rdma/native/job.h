#pragma once

#include <napi.h>

#include <functional>

#include "outcome.h"

namespace dwcp {

// Keeps an environment (the main thread's or a worker's) from being freed while jobs that belong to it are still on the thread
// pool: Node-API's own async work does not, and would complete into freed memory when a worker is terminated.
class JobLedger {
 public:
  static void Open(Napi::Env env);

  void Begin() { ++running_; }
  void End();

 private:
  static void OnCleanup(napi_async_cleanup_hook_handle hook, void* ledger);

  napi_async_cleanup_hook_handle hook_ = nullptr;
  size_t running_ = 0;
  bool is_closing_ = false;
};

using CodecWork = std::function<Outcome(Bytes source, Bytes prefix)>;

// Hands the memory over, or copies it where the runtime allows no memory of others. False: an exception is pending.
bool ToUint8Array(napi_env env, Buffer& bytes, napi_value* array);

// Runs `work` on the thread pool over the arguments 0 and 1, which are referenced until it is done. Where the last argument is an
// Int32Array its first number, once it is not 0, stops the job: before it begins, or where the kernel asks IsStopped(). The promise
// resolves to a Uint8Array or rejects with an error whose `fault` is the Fault's number.
Napi::Value RunJob(const Napi::CallbackInfo& info, CodecWork work);

}  // namespace dwcp
