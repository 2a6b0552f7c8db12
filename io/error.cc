#include "io/error.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <system_error>

#include "io/check.h"

namespace kachel {

namespace {

ErrorCode code_of_errno(int error_number) {
  switch (error_number) {
    case ENOENT:
      return ErrorCode::kNotFound;
    case EEXIST:
    case ENOTEMPTY:
      return ErrorCode::kAlreadyExists;
    case EACCES:
    case EPERM:
    case EROFS:
      return ErrorCode::kPermission;
    case ENOSPC:
    case EDQUOT:
      return ErrorCode::kNoSpace;
    case EINVAL:
    case EISDIR:
    case ENOTDIR:
    case ENAMETOOLONG:
      return ErrorCode::kInvalidArgument;
    case EFBIG:
    case EOVERFLOW:
      return ErrorCode::kTooLarge;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EAGAIN:
    case EBUSY:
      return ErrorCode::kThrottled;
    case ENOSYS:
    case EOPNOTSUPP:
      return ErrorCode::kUnsupported;
    default:
      return ErrorCode::kIo;
  }
}

}  // namespace

std::string_view error_code_name(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return "invalid_argument";
    case ErrorCode::kNotFound:
      return "not_found";
    case ErrorCode::kAlreadyExists:
      return "already_exists";
    case ErrorCode::kPermission:
      return "permission";
    case ErrorCode::kNoSpace:
      return "no_space";
    case ErrorCode::kIo:
      return "io";
    case ErrorCode::kCorrupt:
      return "corrupt";
    case ErrorCode::kForeign:
      return "foreign";
    case ErrorCode::kVersion:
      return "version";
    case ErrorCode::kLocked:
      return "locked";
    case ErrorCode::kKeyMissing:
      return "key_missing";
    case ErrorCode::kTooLarge:
      return "too_large";
    case ErrorCode::kThrottled:
      return "throttled";
    case ErrorCode::kShutdown:
      return "shutdown";
    case ErrorCode::kUnsupported:
      return "unsupported";
  }
  return "unknown";
}

Error os_error(int error_number, std::string_view what) {
  // Not strerror: it is not thread-safe.
  std::string message(what);
  message += ": ";
  message += std::generic_category().message(error_number);
  return Error{code_of_errno(error_number), std::move(message), error_number};
}

void throw_exception_from_error(const Error& error, const boost::source_location&) {
  throw std::runtime_error(error.message);
}

void check_failed(const char* file, int line, const char* message) noexcept {
  std::fprintf(stderr, "%s:%d: invariant broken: %s\n", file, line, message);
  std::abort();
}

}  // namespace kachel
