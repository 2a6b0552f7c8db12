// Whole files: read, written, replaced. Blocking. Internal to the engine.
#pragma once

#include <string>
#include <string_view>

#include "io/storage.h"

namespace kachel::audit {

/// kNotFound; kTooLarge when it is larger than `at_most` bytes.
Result<std::string> read_file(io::Storage& storage, const std::string& path, std::uint64_t at_most);
Result<std::string> read_range(const io::File& file, std::uint64_t offset, std::uint64_t bytes);
Result<void> write_text(io::File& file, std::uint64_t offset, std::string_view text);

/// Writes `path` + ".new" and syncs it. Nothing is left of it when there is no space.
Result<void> write_beside(io::Storage& storage, const std::string& path, std::string_view text,
                          io::OpenMode create = io::OpenMode::kCreate);
/// Lets that take the place of `path`, durably. After a failure it may have, or not.
Result<void> put_in_place(io::Storage& storage, const std::string& path);
Result<void> replace_file(io::Storage& storage, const std::string& path, std::string_view text,
                          io::OpenMode create = io::OpenMode::kCreate);

/// Makes it, or writes it over, and syncs it; its name needs a sync_directory().
Result<void> write_over(io::Storage& storage, const std::string& path, std::string_view text);

/// Makes the directories above `path`.
Result<void> create_parents(io::Storage& storage, const std::string& path);
/// "" at the top.
std::string parent_of(const std::string& path);

}  // namespace kachel::audit
