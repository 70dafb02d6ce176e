#pragma once

#include <napi.h>

namespace dwcp {

// The part of the binding that is about images of memories. src/addon.ts declares and checks what comes in.
void ExportPages(Napi::Env env, Napi::Object exports);

}  // namespace dwcp
