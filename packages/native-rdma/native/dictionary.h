#pragma once

#include "outcome.h"

namespace dwcp {

// Empty when libzstd can train dictionaries and use them.
const std::string& DictionaryProblem();

// A dictionary of at most `max_bytes` from samples that lie one after the other; `lengths` are theirs, as uint32_t.
Outcome TrainDictionary(Bytes samples, Bytes lengths, size_t max_bytes);

// One frame with its content size and no number of the dictionary. What does not begin as a trained dictionary is used as content.
Outcome DictionaryCompress(Bytes source, Bytes dictionary, int level);

// Exactly one frame that says its content size, at most `max_bytes`, which is checked before anything is allocated.
Outcome DictionaryDecompress(Bytes frame, Bytes dictionary, uint64_t max_bytes);

}  // namespace dwcp
