#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace dwcp {

// Which 4 KiB pages of a range of anonymous memory were written, from the kernel's own page tables (Linux 6.7: userfaultfd with
// asynchronous write protection, PAGEMAP_SCAN). Nothing is called back and no thread waits: a first write costs one fault.
class DirtyPages {
 public:
  DirtyPages() = default;
  ~DirtyPages() { Stop(); }
  DirtyPages(const DirtyPages&) = delete;
  DirtyPages& operator=(const DirtyPages&) = delete;

  // Arms [base, base + length). False: not possible here, problem() says why.
  bool Start(uintptr_t base, size_t length);

  // Appends, ascending, the pages written since Start or the last Collect, and arms them again in the same step. `length` may have
  // grown: of the new pages those count that hold anything but zeros.
  bool Collect(size_t length, std::vector<uint32_t>& pages);

  // Takes the protection off; afterwards only destruction is allowed. Idempotent.
  void Stop();

  uintptr_t base() const { return base_; }
  const std::string& problem() const { return problem_; }

 private:
  bool Arm(size_t from, size_t to);
  bool Scan(size_t from, size_t to, bool written, std::vector<uint32_t>& pages);
  bool Refuse(const char* what);

  int fault_fd_ = -1;
  int map_fd_ = -1;
  uintptr_t base_ = 0;
  size_t length_ = 0;
  std::string problem_;
};

}  // namespace dwcp
