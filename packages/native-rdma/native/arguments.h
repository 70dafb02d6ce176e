#pragma once

#include <napi.h>

#include <cstdint>
#include <limits>

namespace dwcp {

// Not a number and less than 0 are 0; what no 64 bits hold is the most that they do.
inline uint64_t CountOf(const Napi::Value& value) {
  const double number = value.As<Napi::Number>().DoubleValue();
  if (!(number > 0)) return 0;
  return number >= 18446744073709551615.0 ? std::numeric_limits<uint64_t>::max() : static_cast<uint64_t>(number);
}

template <class Held>
Held* HeldBy(const Napi::Value& value) {
  return value.As<Napi::External<Held>>().Data();
}

// The finalizer also runs when the environment goes, in worker threads too.
template <class Held>
Napi::Value Hold(Napi::Env env, Held* held) {
  return Napi::External<Held>::New(env, held, [](Napi::BasicEnv, Held* data) { delete data; });
}

}  // namespace dwcp
