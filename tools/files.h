// Small files that the tools read whole.
#pragma once

#include <string>

#include "engine/audit/note.h"
#include "io/error.h"

namespace kachel::tools {

/// At most `limit` bytes: kTooLarge beyond. "-" is standard input.
Result<std::string> read_text(const std::string& path, std::size_t limit);

/// `text` is the key, or names a file that holds it.
Result<audit::VerifierKey> read_verifier_key(const std::string& text);

}  // namespace kachel::tools
