// PEEPER_CHECK(condition, "what broke"): a broken invariant of our own ends the process, in release
// builds too. Never for input: no client and no worker may reach one (see result.hpp for those).
// Safe in a signal handler and after fork: formats nothing, writes the parts with write(2), aborts.
#pragma once

namespace peeper {

[[noreturn]] void check_failed(const char* condition, const char* what, const char* file,
                               int line) noexcept;

}  // namespace peeper

#define PEEPER_CHECK(condition, what)                                     \
  do {                                                                    \
    if (!(condition)) [[unlikely]]                                        \
      ::peeper::check_failed(#condition, what, __FILE__, __LINE__);       \
  } while (false)
