// Makes tokens no other client has: 128 random bits once, and a counter. Printable, for logs.
// Move-only: a copy would make the same ones. After fork() only one side may go on using it.
#pragma once

#include <cstdint>
#include <string>

namespace peeper {

class TokenSource {
 public:
  TokenSource();
  TokenSource(TokenSource&&) noexcept = default;
  TokenSource& operator=(TokenSource&&) noexcept = default;

  [[nodiscard]] std::string next() { return prefix_ + std::to_string(++count_); }

 private:
  std::string prefix_;
  std::uint64_t count_ = 0;
};

// A random number; for pauses, not for secrets.
[[nodiscard]] std::uint32_t random_number();

}  // namespace peeper
