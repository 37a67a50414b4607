// The binary interface between a behaviour's shared object and the worker that loads it.
//
// A behaviour exports one C function, peeper_behaviour(), that returns a Behaviour: a table of
// functions and facts. The worker hands it a Host: a table of functions back. Both sides compile
// their own Boost and their own containers; only the plain types of this header cross the border,
// and C++ exceptions, which the worker's callback barrier catches.
//
// Thread: everything here is called on the worker's one callback thread.
// Strings are bytes with a length, never terminated. Replies are one RESP3 value
// (https://github.com/redis/redis-specifications/blob/master/protocol/RESP3.md).
#pragma once

#include <cstddef>
#include <cstdint>

namespace peeper::abi {

// First field of Behaviour, so that any other symbol of the same name is recognised as foreign.
inline constexpr std::uint64_t kMagic = 0x7668'6562'7065'6570;  // "peepbehv"
// Raised with every change of this header. A worker loads only its own version: the error names
// both, and the remedy is to compile the behaviour again.
inline constexpr std::uint32_t kSdkVersion = 3;

inline constexpr char kEntryPoint[] = "peeper_behaviour";

struct Bytes {
  const char* data;
  std::size_t size;
};

enum class MessageKind : std::uint32_t { kCall = 1, kCast = 2, kInfo = 3 };

// Who called: names one request for as long as the daemon that took it lives. All zero: nobody.
struct From {
  std::uint64_t request;
  std::uint32_t epoch;
  std::uint32_t reserved;
};

// Valid during the callback only: the bytes lie in the mailbox.
struct Message {
  MessageKind kind;
  std::uint32_t argument_count;
  Bytes name;
  const Bytes* arguments;
  From from;
};

enum class Action : std::uint32_t {
  kNoReply = 0,  // a call stays unanswered (for now)
  kReply = 1,    // answer the call with the value written to the sink
  kStop = 2,     // commit, then terminate(reason) and stop
  kReplyAndStop = 3,
  kUnhandled = 4,  // the behaviour has no such callback
};

// Where a callback's outcome goes. The sink outlives the callback.
struct Sink {
  void* context;
  // Appends bytes of the RESP3 value that is the reply. Throws std::length_error when the value
  // is larger than any reply may be; let it pass.
  void (*write)(void* context, const char* data, std::size_t size);
  // The reason of a stop, as text ("normal", "shutdown" or anything else). At most once.
  void (*stop_reason)(void* context, const char* data, std::size_t size);
};

// What the worker offers a behaviour. The pointer stays valid as long as the process lives.
struct Host {
  std::uint32_t size;  // sizeof(Host), so that a later one may be longer
  std::uint32_t sdk_version;
  // Memory in the server's heap, aligned to `alignment` (a power of two, at most 4096). Throws
  // std::bad_alloc when state_size is reached or memory is out. Never returns null.
  void* (*allocate)(std::size_t bytes, std::size_t alignment);
  void (*deallocate)(void* memory) noexcept;
  // Makes heap memory writable that a system call is about to fill. Ignores other memory.
  void (*touch)(const void* memory, std::size_t bytes);
};

// What may not change between two builds of a behaviour that share a segment.
struct StateType {
  std::uint64_t size;
  std::uint64_t alignment;
  Bytes name;             // as the compiler spells it
  std::uint64_t version;  // State::version or Behaviour::version if declared, else 0
  // What the containers in it look like in memory.
  std::uint32_t boost_version;      // BOOST_VERSION
  std::uint32_t container_version;  // detail::kContainerVersion
};

// Flags of a Behaviour: its callback of that kind takes the State by const reference, so it runs
// without a journal.
inline constexpr std::uint64_t kCallReadsOnly = 1;
inline constexpr std::uint64_t kCastReadsOnly = 2;
inline constexpr std::uint64_t kInfoReadsOnly = 4;

struct Behaviour {
  std::uint64_t magic;        // kMagic
  std::uint32_t sdk_version;  // kSdkVersion
  std::uint32_t size;         // sizeof(Behaviour)
  Bytes name;                 // of the behaviour's C++ type
  StateType state;
  std::uint64_t flags;

  // First call after loading. Every other function may allocate through `host` from then on.
  void (*attach)(const Host* host);

  // The behaviour object: ordinary memory, one an incarnation; holds nothing that must survive.
  void* (*create)();
  void (*destroy)(void* behaviour);

  // Constructs the State at `memory` (state.size bytes in the heap, aligned). Runs on the first
  // start only. Arguments are the configuration's `state`: one byte string, or name and value by
  // turns when `named`; `count` is the number of byte strings.
  void (*init)(void* behaviour, void* memory, const Bytes* arguments, std::size_t count,
               bool named);

  // Runs handle_call, handle_cast or handle_info, by message->kind.
  Action (*handle)(void* behaviour, void* state, const Message* message, const Sink* sink);

  // Runs terminate(reason), if there is one.
  void (*terminate)(void* behaviour, void* state, Bytes reason);

  // Writes the state as one RESP3 value: what SYS GET_STATE shows. Changes nothing.
  void (*format_state)(void* behaviour, const void* state, const Sink* sink);
};

}  // namespace peeper::abi
