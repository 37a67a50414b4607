// Expected failures are values: Result<T> holds a T or a Failure. A Failure is a sentence for the
// person who must act (what happened, to what, what to try) and an errno where the system gave one.
#pragma once

#include <boost/system/result.hpp>
#include <stdexcept>
#include <string>
#include <utility>

namespace peeper {

struct Failure {
  Failure() = default;
  // Always both, so that a text alone never makes a failure: Result<std::string> works.
  Failure(std::string text, int error) : what(std::move(text)), system_error(error) {}

  std::string what;
  int system_error = 0;  // errno, 0 where none
};

// Called by boost::system::result when value() is asked of a failure: a bug of the caller's.
[[noreturn]] inline void throw_exception_from_error(const Failure& failure,
                                                    const boost::source_location&) {
  throw std::runtime_error(failure.what);
}

template <class T>
using Result = boost::system::result<T, Failure>;

// "what: strerror(errno)", with errno kept.
[[nodiscard]] Failure system_failure(std::string what, int error);

}  // namespace peeper
