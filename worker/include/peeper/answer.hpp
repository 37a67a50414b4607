// What came back from a call that this server made itself (Context::call): Message::answer().
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "peeper/handles.hpp"

namespace peeper {

// A view of one RESP3 value, valid during the callback. It came from another server: expect any
// value; what is malformed is neither text nor number.
class Answer {
 public:
  Answer(Reference reference, std::string_view bytes) noexcept
      : reference_(reference), bytes_(bytes) {}

  // What Context::call() returned.
  [[nodiscard]] Reference reference() const noexcept { return reference_; }

  [[nodiscard]] bool is_error() const noexcept;
  // "NOSERVER no server 'x'": the code, a blank, the text. Of the runtime: NOSERVER, DOWN, TOOBIG,
  // TIMEOUT, CRASHED; of the called server: what it replied. Empty when it is no error.
  [[nodiscard]] std::string_view error() const noexcept;

  [[nodiscard]] bool is_null() const noexcept;
  // Of text and of a status.
  [[nodiscard]] std::optional<std::string_view> text() const noexcept;
  // Of an integer, and of text that is one from the first to the last character.
  [[nodiscard]] std::optional<std::int64_t> integer() const noexcept;
  // The same for any finite number.
  [[nodiscard]] std::optional<double> number() const noexcept;

  // The value itself, for what the above does not read: containers.
  [[nodiscard]] std::string_view bytes() const noexcept { return bytes_; }

 private:
  Reference reference_;
  std::string_view bytes_;
};

}  // namespace peeper
