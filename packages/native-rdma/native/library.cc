#include "library.h"

#include <dlfcn.h>

// Node 24 exports its own ZSTD_*; without DEEPBIND the library's inner calls would bind to those. ASan refuses the flag.
#if !defined(RTLD_DEEPBIND) || defined(__SANITIZE_ADDRESS__)
#undef RTLD_DEEPBIND
#define RTLD_DEEPBIND 0
#endif

namespace dwcp {

Library::Library(const char* name) : name_(name != nullptr ? name : "the process") {
  handle_ = dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
  if (handle_ == nullptr) {
    const char* error = dlerror();
    problem_ = error != nullptr ? error : name_ + " cannot be opened";
  }
}

bool Library::Has(const char* symbol) const { return handle_ != nullptr && dlsym(handle_, symbol) != nullptr; }

void* Library::Find(const char* symbol) {
  if (handle_ == nullptr) return nullptr;
  void* found = dlsym(handle_, symbol);
  if (found == nullptr && problem_.empty()) problem_ = name_ + " has no " + symbol;
  return found;
}

}  // namespace dwcp
