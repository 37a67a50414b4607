#include "peeper/detail/duration.hpp"

#include <cmath>
#include <limits>
#include <stdexcept>

namespace peeper::detail {

std::uint64_t whole_nanoseconds(long double nanoseconds) {
  // A NaN compares with nothing.
  if (!(nanoseconds >= 0)) throw std::invalid_argument("peeper: a duration must not be negative");
  constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (nanoseconds >= static_cast<long double>(most)) return most;
  return static_cast<std::uint64_t>(std::ceil(nanoseconds));
}

}  // namespace peeper::detail
