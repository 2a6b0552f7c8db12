// One error type for everything that can fail: a code that programs act on and a
// sentence that people read. What is expected (a miss) is a value, not an error.
#pragma once

#include <boost/system/result.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace kachel {

enum class ErrorCode : std::uint8_t {
  kInvalidArgument = 1,  // the caller's input is wrong; the message says what to do
  kNotFound,             // no such file, directory or store
  kAlreadyExists,        // created by somebody else meanwhile
  kPermission,           // the operating system refused access
  kNoSpace,              // the device or the capacity is full
  kIo,                   // the device reported a failure
  kCorrupt,              // bytes are there and are not what was written
  kForeign,              // belongs to another store, or is no store at all
  kVersion,              // written by a newer format than this build reads
  kLocked,               // another process has it open
  kKeyMissing,           // the store's key file is missing or does not fit
  kTooLarge,             // beyond a stated limit
  kThrottled,            // a bound was reached; try again later
  kShutdown,             // the engine is stopping
  kUnsupported,          // this kernel or build cannot do it
};

/// A short stable name ("no_space"), for logs and machine-readable output.
std::string_view error_code_name(ErrorCode code) noexcept;

struct Error {
  ErrorCode code = ErrorCode::kIo;
  std::string message;
  int os_error = 0;  // errno, 0 when the operating system had no part in it
};

/// That the caller's input is wrong; `message` says what to do.
inline Error invalid(std::string message) {
  return {ErrorCode::kInvalidArgument, std::move(message)};
}

template <typename T>
using Result = boost::system::result<T, Error>;

/// Maps an errno to a code and appends the system's own words to `what`.
Error os_error(int error_number, std::string_view what);

// Found by argument-dependent lookup when `.value()` is called on an error.
[[noreturn]] void throw_exception_from_error(const Error& error,
                                             const boost::source_location& where);

}  // namespace kachel
