#include "common/check.hpp"

#include <sys/uio.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <iterator>

namespace peeper {
namespace {

iovec part(const char* text) { return {const_cast<char*>(text), std::strlen(text)}; }

}  // namespace

void check_failed(const char* condition, const char* what, const char* file, int line) noexcept {
  char digits[16];
  char* first = digits + sizeof digits - 1;
  *first = '\0';
  do {
    *--first = static_cast<char>('0' + line % 10);
    line /= 10;
  } while (line > 0 && first > digits);
  const iovec parts[] = {part("peeper: broken invariant: "), part(what), part(" ("),
                         part(condition), part(") at "), part(file), part(":"), part(first),
                         part("\n")};
  [[maybe_unused]] const ssize_t written = ::writev(STDERR_FILENO, parts, std::size(parts));
  std::abort();
}

}  // namespace peeper
