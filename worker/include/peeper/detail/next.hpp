// What shall happen after a callback, beside the next message: the last element of OTP's tuples.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "peeper/abi.hpp"
#include "peeper/detail/duration.hpp"

namespace peeper::detail {

struct Next {
  std::optional<abi::Then> then;
  std::uint64_t ns = 0;
  std::string argument;
};

// The part that Result and Started have in common. One of the three can be said; the last one wins.
// Part of the transaction: after a crash of a later message it still stands.
template <class Self>
class SaysNext {
 public:
  // handle_info gets the info "timeout" unless another message arrives within `time`. 0: unless one
  // waits already. More than 292 years count as that. Throws std::invalid_argument when negative.
  template <class Rep, class Period>
  Self& timeout(const std::chrono::duration<Rep, Period>& time) & {
    next_ = {abi::Then::kTimeout, nanoseconds_in(time), {}};
    return self();
  }
  template <class Rep, class Period>
  [[nodiscard]] Self timeout(const std::chrono::duration<Rep, Period>& time) && {
    return std::move(timeout(time));
  }

  // The worker gives memory that it does not use back to the system, then waits.
  Self& hibernate() & {
    next_ = {abi::Then::kHibernate, 0, {}};
    return self();
  }
  [[nodiscard]] Self hibernate() && { return std::move(hibernate()); }

  // handle_continue(argument) runs before the next message; copied. Without a handle_continue the
  // message that says this fails with std::logic_error.
  Self& continue_with(std::string_view argument) & {
    next_ = {abi::Then::kContinue, 0, std::string(argument)};
    return self();
  }
  [[nodiscard]] Self continue_with(std::string_view argument) && {
    return std::move(continue_with(argument));
  }

  [[nodiscard]] const Next& next() const noexcept { return next_; }

 private:
  Self& self() noexcept { return static_cast<Self&>(*this); }

  Next next_;
};

}  // namespace peeper::detail
