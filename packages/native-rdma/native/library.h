#pragma once

#include <string>

namespace dwcp {

// A shared library, opened when first used and never closed: what was bound from it stays valid for the life of the process.
class Library {
 public:
  // Null: what the process itself exports.
  explicit Library(const char* name);

  // Binds `symbol`; the first one that is missing makes the library unusable and is named in problem().
  template <class Function>
  void Bind(Function*& function, const char* symbol) {
    function = reinterpret_cast<Function*>(Find(symbol));
  }

  // Binds `preferred` where there is one, else `symbol`.
  template <class Function>
  void Bind(Function*& function, const char* preferred, const char* symbol) {
    function = reinterpret_cast<Function*>(Has(preferred) ? Find(preferred) : Find(symbol));
  }

  // Empty when the library and every symbol asked for were found.
  const std::string& problem() const { return problem_; }

 private:
  bool Has(const char* symbol) const;
  void* Find(const char* symbol);

  std::string name_;
  std::string problem_;
  void* handle_ = nullptr;
};

}  // namespace dwcp
