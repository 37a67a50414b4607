// The binary interface between a listener's shared object and the keeper that loads it.
//
// A listener exports one C function, peeper_listener(), that returns a Table. Both sides compile
// their own Boost and their own containers: only the plain types of this header cross the border,
// and states as the bytes of a JSON document. No C++ exception crosses it: what a listener throws is
// caught on its side and told as text.
//
// Thread: the keeper's listener thread, that of peeper_listener() itself too.
#pragma once

#include <cstddef>
#include <cstdint>

namespace peeper::listener_abi {

// First field of Table, so that any other symbol of the same name is recognised as foreign.
inline constexpr std::uint64_t kMagic = 0x6e74'736c'7065'6570;  // "peeplstn"
// Raised with every change of this header. A keeper loads only its own version: the error names
// both, and the remedy is to compile the listener again.
inline constexpr std::uint32_t kVersion = 1;

inline constexpr char kEntryPoint[] = "peeper_listener";

// Not terminated. Valid for the length of the call that it is given to.
struct Bytes {
  const char* data;
  std::size_t size;
};

// What a listener threw; made by the keeper, filled by the listener.
struct Thrown {
  std::size_t size;  // of `text`, 0: nothing
  char text[504];
};

struct Event {
  Bytes server;
  std::uint64_t sequence;
  std::uint64_t changes;  // of a change: 1, or more when it stands for several
  Bytes reason;           // of a termination
  Bytes old_state;        // of a change: JSON
  Bytes state;            // JSON
};

struct Table {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t bytes;  // sizeof(Table)
  const char* name;     // the type's, for people
  // null: it threw.
  void* (*create)(Thrown* thrown) noexcept;
  void (*destroy)(void* listener) noexcept;
  void (*on_state_changed)(void* listener, const Event* event, Thrown* thrown) noexcept;
  void (*on_terminate)(void* listener, const Event* event, Thrown* thrown) noexcept;
};
static_assert(sizeof(Event) == 80 && sizeof(Thrown) == 512 && sizeof(Table) == 56);

}  // namespace peeper::listener_abi
