// What names a caller, a timer or a call of one's own. Plain numbers: may be kept in the State,
// used as keys, and are as good after a crash as before it.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>

namespace peeper {

// Who waits for the answer of a call: a client or another server. Context::reply() answers it, now
// or from any later message.
struct From {
  std::uint64_t request = 0;
  std::uint64_t server = 0;  // which server's segment calls; 0: a client
  std::uint32_t epoch = 0;   // which daemon took a client's request
  std::uint32_t client = 0;  // not 0: it came by a client's own channel, this one

  // Whether it names somebody.
  explicit operator bool() const noexcept {
    return request != 0 || server != 0 || epoch != 0 || client != 0;
  }
  friend auto operator<=>(const From&, const From&) = default;
};

// A timer that Context::send_after() started; false if it is none.
struct Timer {
  std::uint64_t number = 0;

  explicit operator bool() const noexcept { return number != 0; }
  friend auto operator<=>(const Timer&, const Timer&) = default;
  friend std::size_t hash_value(const Timer& timer) noexcept { return timer.number; }
};

// A call that Context::call() made; its Answer has the same. False if it is none.
struct Reference {
  std::uint64_t number = 0;

  explicit operator bool() const noexcept { return number != 0; }
  friend auto operator<=>(const Reference&, const Reference&) = default;
  friend std::size_t hash_value(const Reference& reference) noexcept { return reference.number; }
};

}  // namespace peeper
