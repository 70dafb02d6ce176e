#pragma once

#include <cstdint>

#include "outcome.h"

namespace dwcp {

// Lets the job on this thread be told to stop, for as long as it is in scope. The word is the caller's and outlives it; not 0 means stop.
class StopScope {
 public:
  explicit StopScope(int32_t* word);
  ~StopScope();
  StopScope(const StopScope&) = delete;
  StopScope& operator=(const StopScope&) = delete;
};

// Whether the job on this thread has been told to stop. It costs two loads: kernels ask between stretches of work of at most some
// 20 ms, and then return Stopped().
bool IsStopped();
Outcome Stopped();

}  // namespace dwcp
