#include "stop.h"

#include <atomic>

namespace dwcp {
namespace {

thread_local int32_t* stop_word = nullptr;

}  // namespace

StopScope::StopScope(int32_t* word) { stop_word = word; }
StopScope::~StopScope() { stop_word = nullptr; }

bool IsStopped() { return stop_word != nullptr && std::atomic_ref<int32_t>(*stop_word).load(std::memory_order_relaxed) != 0; }

Outcome Stopped() { return Outcome::Failed(Fault::kStopped, "it was told to stop"); }

}  // namespace dwcp
