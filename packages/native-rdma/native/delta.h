#pragma once

#include "outcome.h"

namespace dwcp {

// Describes `target` by what `base` has: a script of literals, copies and patches, laid out as delta_script.h says. `position` is where
// the target's first byte would lie in the base if nothing had moved. `effort` is 0 (fast) to 2 (small).
Outcome Match(Bytes target, Bytes base, int64_t position, int effort);

// The inverse: exactly `length` bytes. Every length and reference of the script is checked.
Outcome Apply(Bytes script, Bytes base, int64_t position, uint64_t length);

// What of the base no copy takes, as docs/wire/delta.md says under "Reference"; of the script only the operations are looked at.
// `length` is that of the target.
Outcome Reference(Bytes script, Bytes base, int64_t position, uint64_t length, uint64_t literal_bytes);

}  // namespace dwcp
