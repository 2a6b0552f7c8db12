#include "engine/audit/files.h"

namespace kachel::audit {
namespace {

std::string beside(const std::string& path) {
  return path + ".new";
}

Result<void> remove_if_there(io::Storage& storage, const std::string& path) {
  auto removed = storage.remove(path);
  if (!removed && removed.error().code == ErrorCode::kNotFound) return {};
  return removed;
}

Result<void> write_and_sync(io::File& file, std::string_view text) {
  if (auto written = write_text(file, 0, text); !written) return written;
  return file.sync();
}

}  // namespace

Result<std::string> read_range(const io::File& file, std::uint64_t offset, std::uint64_t bytes) {
  std::string text(bytes, '\0');
  const auto got = file.read_at(offset, std::as_writable_bytes(std::span(text)));
  if (!got) return got.error();
  if (*got != bytes) return Error{ErrorCode::kIo, "a file was read in part only"};
  return text;
}

Result<std::string> read_file(io::Storage& storage, const std::string& path,
                              std::uint64_t at_most) {
  const auto file = storage.open(path, io::OpenMode::kRead);
  if (!file) return file.error();
  const auto bytes = (*file)->size();
  if (!bytes) return bytes.error();
  if (*bytes > at_most) {
    return Error{ErrorCode::kTooLarge, path + " is larger than any that Kachel writes"};
  }
  return read_range(**file, 0, *bytes);
}

Result<void> write_text(io::File& file, std::uint64_t offset, std::string_view text) {
  iovec part{const_cast<char*>(text.data()), text.size()};
  return file.write_at(offset, std::span(&part, 1));
}

Result<void> write_beside(io::Storage& storage, const std::string& path, std::string_view text,
                          io::OpenMode create) {
  const std::string name = beside(path);
  if (auto removed = remove_if_there(storage, name); !removed) return removed;
  auto file = storage.open(name, create);
  if (!file) return file.error();
  auto written = write_and_sync(**file, text);
  if (!written && written.error().code == ErrorCode::kNoSpace) {
    file->reset();
    static_cast<void>(remove_if_there(storage, name));  // to give the space back
  }
  return written;
}

Result<void> put_in_place(io::Storage& storage, const std::string& path) {
  if (auto renamed = storage.rename(beside(path), path); !renamed) return renamed;
  return storage.sync_directory(parent_of(path));
}

Result<void> replace_file(io::Storage& storage, const std::string& path, std::string_view text,
                          io::OpenMode create) {
  if (auto written = write_beside(storage, path, text, create); !written) return written;
  return put_in_place(storage, path);
}

Result<void> write_over(io::Storage& storage, const std::string& path, std::string_view text) {
  const auto is_there = storage.exists(path);
  if (!is_there) return is_there.error();
  auto file = storage.open(path, *is_there ? io::OpenMode::kReadWrite : io::OpenMode::kCreate);
  if (!file) return file.error();
  if (auto cut = (*file)->truncate(0); !cut) return cut;
  return write_and_sync(**file, text);
}

Result<void> create_parents(io::Storage& storage, const std::string& path) {
  for (std::size_t slash = path.find('/'); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    if (auto made = storage.create_directory(path.substr(0, slash)); !made) return made;
  }
  return {};
}

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

}  // namespace kachel::audit
