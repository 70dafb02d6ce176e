#pragma once

#include <napi.h>

namespace dwcp {

// The part of the binding that is about frames on sockets. src/addon.ts declares and checks what comes in.
void ExportStreams(Napi::Env env, Napi::Object exports);

// Empty when links can be made.
const std::string& StreamProblem();

}  // namespace dwcp
