#pragma once

#include <vector>

#include "outcome.h"

namespace dwcp {

// Memory for what is needed while one job runs, and by the next one again: to have it zeroed by the kernel each time costs more than
// to fill it. Nothing is freed before Reset. One block outlives its owner, for the next one in this process.
class Scratch {
 public:
  Scratch() = default;
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  // With any content, aligned for whatever; null when there is no memory.
  uint8_t* Take(size_t length);
  // What was taken is of no meaning from now on.
  void Reset();

 private:
  std::vector<Buffer> blocks_;
  // Of the last block.
  size_t used_ = 0;
};

}  // namespace dwcp
