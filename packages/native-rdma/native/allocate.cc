#ifdef __linux__
#include <sys/mman.h>
#endif

#include "outcome.h"

namespace dwcp {
namespace {

constexpr size_t kLargePageBytes = 2 << 20;
constexpr size_t kManyBytes = 4 * kLargePageBytes;

}  // namespace

void* AllocateBytes(size_t length) {
#ifdef __linux__
  if (length >= kManyBytes && length <= SIZE_MAX - kLargePageBytes) {
    const size_t rounded = (length + kLargePageBytes - 1) / kLargePageBytes * kLargePageBytes;
    void* bytes = std::aligned_alloc(kLargePageBytes, rounded);
    // Where the system refuses, the pages are small.
    if (bytes != nullptr) madvise(bytes, rounded, MADV_HUGEPAGE);
    return bytes;
  }
#endif
  // malloc(0) may return null, and the libraries want a pointer even for nothing.
  return std::malloc(length > 0 ? length : 1);
}

}  // namespace dwcp
