#include "memory.h"

#ifdef __linux__

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

// Kernel headers of Debian 12 are older than the kernels that have these (Linux 6.7: linux/userfaultfd.h, linux/fs.h).
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#ifndef UFFD_FEATURE_WP_UNPOPULATED
#define UFFD_FEATURE_WP_UNPOPULATED (1 << 13)
#endif
#ifndef UFFD_FEATURE_WP_ASYNC
#define UFFD_FEATURE_WP_ASYNC (1 << 15)
#endif

namespace dwcp {
namespace {

struct PageRegion {
  uint64_t start;
  uint64_t end;
  uint64_t categories;
};

struct ScanArguments {
  uint64_t size;
  uint64_t flags;
  uint64_t start;
  uint64_t end;
  uint64_t walk_end;
  uint64_t vec;
  uint64_t vec_len;
  uint64_t max_pages;
  uint64_t category_inverted;
  uint64_t category_mask;
  uint64_t category_anyof_mask;
  uint64_t return_mask;
};

constexpr unsigned long kPagemapScan = _IOWR('f', 16, ScanArguments);
constexpr uint64_t kScanProtectMatching = 1 << 0;  // PM_SCAN_WP_MATCHING
constexpr uint64_t kScanCheckAsync = 1 << 1;       // PM_SCAN_CHECK_WPASYNC
constexpr uint64_t kPageIsWritten = 1 << 1;
constexpr uint64_t kPageIsPresent = 1 << 3;
constexpr uint64_t kPageIsSwapped = 1 << 4;
constexpr uint64_t kPageIsZeroFrame = 1 << 5;
constexpr size_t kPageBytes = 4096;
constexpr size_t kRegionsPerScan = 512;

bool IsZero(const uint8_t* page) {
  return page[0] == 0 && std::memcmp(page, page + 1, kPageBytes - 1) == 0;
}

}  // namespace

void DirtyPages::Stop() {
  // Closing the descriptor takes the protection off everything that was registered with it.
  if (fault_fd_ >= 0) close(fault_fd_);
  if (map_fd_ >= 0) close(map_fd_);
  fault_fd_ = map_fd_ = -1;
}

bool DirtyPages::Refuse(const char* what) {
  problem_ = std::string(what) + ": " + std::strerror(errno);
  return false;
}

bool DirtyPages::Start(uintptr_t base, size_t length) {
  if (sysconf(_SC_PAGESIZE) != static_cast<long>(kPageBytes)) {
    problem_ = "the pages of this kernel are not 4096 bytes";
    return false;
  }
  if (base % kPageBytes != 0 || length % kPageBytes != 0) {
    problem_ = "the memory does not begin and end at a page";
    return false;
  }
  fault_fd_ = static_cast<int>(syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY));
  if (fault_fd_ < 0) return Refuse("userfaultfd is refused");
  uffdio_api api = {};
  api.api = UFFD_API;
  // WP_UNPOPULATED: a page that was never touched is armed too, so that reading it does not make it look written.
  api.features = UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_WP_UNPOPULATED;
  if (ioctl(fault_fd_, UFFDIO_API, &api) != 0) return Refuse("no asynchronous write protection (Linux 6.7 has it)");
  map_fd_ = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  if (map_fd_ < 0) return Refuse("/proc/self/pagemap cannot be opened");
  base_ = base;
  if (!Arm(0, length)) return false;
  length_ = length;
  // A kernel without PAGEMAP_SCAN is found here and not in the middle of a migration.
  std::vector<uint32_t> none;
  return Scan(0, std::min(length, kPageBytes), true, none);
}

bool DirtyPages::Arm(size_t from, size_t to) {
  if (from == to) return true;
  uffdio_register range = {};
  range.range = {base_ + from, to - from};
  range.mode = UFFDIO_REGISTER_MODE_WP;
  if (ioctl(fault_fd_, UFFDIO_REGISTER, &range) != 0) return Refuse("UFFDIO_REGISTER is refused");
  uffdio_writeprotect protect = {};
  protect.range = range.range;
  protect.mode = UFFDIO_WRITEPROTECT_MODE_WP;
  if (ioctl(fault_fd_, UFFDIO_WRITEPROTECT, &protect) != 0) return Refuse("UFFDIO_WRITEPROTECT is refused");
  return true;
}

bool DirtyPages::Collect(size_t length, std::vector<uint32_t>& pages) {
  if (length % kPageBytes != 0 || length < length_) {
    problem_ = "the memory shrank or does not end at a page";
    return false;
  }
  if (!Scan(0, length_, true, pages)) return false;
  if (length == length_) return true;
  // First armed, then read: a write in between shows now or at the next call, and is never lost.
  if (!Arm(length_, length)) return false;
  const size_t before = pages.size();
  if (!Scan(length_, length, false, pages)) return false;
  // A huge page is populated as a whole, so being there does not prove a write; content does.
  const auto* memory = reinterpret_cast<const uint8_t*>(base_);
  const auto first = pages.begin() + static_cast<std::ptrdiff_t>(before);
  pages.erase(std::remove_if(first, pages.end(), [&](uint32_t page) { return IsZero(memory + page * kPageBytes); }), pages.end());
  length_ = length;
  return true;
}

// written: the pages whose protection a write took off, which get it back. Otherwise: the pages that hold memory of their own.
bool DirtyPages::Scan(size_t from, size_t to, bool written, std::vector<uint32_t>& pages) {
  std::array<PageRegion, kRegionsPerScan> regions;
  ScanArguments scan = {};
  scan.size = sizeof(scan);
  scan.vec = reinterpret_cast<uintptr_t>(regions.data());
  scan.vec_len = regions.size();
  scan.end = base_ + to;
  if (written) {
    scan.flags = kScanProtectMatching | kScanCheckAsync;
    scan.category_mask = kPageIsWritten;
    scan.return_mask = kPageIsWritten;
  } else {
    scan.category_inverted = kPageIsZeroFrame;
    scan.category_mask = kPageIsZeroFrame;
    scan.category_anyof_mask = kPageIsPresent | kPageIsSwapped;
    scan.return_mask = kPageIsPresent;
  }
  // Each call takes the walk further, or fills the vector: it ends.
  for (uint64_t at = base_ + from; at < scan.end; at = scan.walk_end) {
    scan.start = at;
    const int found = ioctl(map_fd_, kPagemapScan, &scan);
    if (found < 0) return Refuse("PAGEMAP_SCAN is refused");
    for (int i = 0; i < found; ++i) {
      for (uint64_t page = regions[i].start; page < regions[i].end; page += kPageBytes) {
        pages.push_back(static_cast<uint32_t>((page - base_) / kPageBytes));
      }
    }
  }
  return true;
}

}  // namespace dwcp

#else

namespace dwcp {

void DirtyPages::Stop() {}
bool DirtyPages::Start(uintptr_t, size_t) {
  problem_ = "userfaultfd exists on Linux only";
  return false;
}
bool DirtyPages::Collect(size_t, std::vector<uint32_t>&) { return false; }

}  // namespace dwcp

#endif
