// The worker that drives this process, as abi.hpp knows it.
#pragma once

#include <string_view>

#include "peeper/abi.hpp"

namespace peeper::detail {

// Throws std::logic_error when there is none: a unit test, a static object.
[[nodiscard]] const abi::Host& host();

[[nodiscard]] inline abi::Bytes as_bytes(std::string_view text) noexcept {
  return {text.data(), text.size()};
}

}  // namespace peeper::detail
