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
inline constexpr std::uint32_t kSdkVersion = 7;

inline constexpr char kEntryPoint[] = "peeper_behaviour";

struct Bytes {
  const char* data;
  std::size_t size;
};

enum class MessageKind : std::uint32_t {
  kCall = 1,
  kCast = 2,
  kInfo = 3,
  kAnswer = 4,  // for handle_info: the answer to a call of this server's own; its name is "answer",
                // its one argument the RESP3 value
};

// Who called: a client's request at one daemon, or another server's call. All zero: nobody.
struct From {
  std::uint64_t request;
  std::uint64_t server;  // uid of the calling server's segment; 0: a client
  std::uint32_t epoch;   // which daemon took a client's request
  std::uint32_t client;  // not 0: it came by a client's own channel, this one
};

// Valid during the callback only: the bytes lie in the mailbox.
struct Message {
  MessageKind kind;
  std::uint32_t argument_count;
  Bytes name;
  const Bytes* arguments;
  From from;
  std::uint64_t reference;  // kAnswer: what Host.call returned
};

enum class Action : std::uint32_t {
  kNoReply = 0,  // a call stays unanswered (for now)
  kReply = 1,    // answer the call with the value written to the sink
  kStop = 2,     // commit, then terminate(reason) and stop
  kReplyAndStop = 3,
  kUnhandled = 4,  // the behaviour has no such callback
};

// What shall happen after the message, beside the next one. As the third element of OTP's tuples.
enum class Then : std::uint32_t {
  kTimeout = 1,    // handle_info("timeout") if nothing arrives within `ns`
  kHibernate = 2,  // give unused private memory back, then wait
  kContinue = 3,   // handle_continue(argument) before the next message
};

// Where a callback's outcome goes. The sink outlives the callback.
struct Sink {
  void* context;
  // Appends bytes of the RESP3 value that is the reply. Throws std::length_error when the value
  // is larger than any reply may be; let it pass.
  void (*write)(void* context, const char* data, std::size_t size);
  // The reason of a stop, as text ("normal", "shutdown" or anything else). At most once.
  void (*stop_reason)(void* context, const char* data, std::size_t size);
  // At most once; `ns` with kTimeout, `argument` with kContinue. Throws std::bad_alloc.
  void (*then)(void* context, Then then, std::uint64_t ns, Bytes argument);
};

// Outgoing messages to another server (or to this one), through the daemon.
enum class Post : std::uint32_t { kCast = 1, kInfo = 2 };

// What the worker offers a behaviour. The pointer stays valid as long as the process lives.
// All but touch(), heap_is_sane() and the facts are part of the running transaction: a message that
// does not commit has sent, set and stored nothing. They throw std::logic_error outside of callbacks
// and in those that may have no effects, format_state and reads_only (allocate() also in a callback
// that only reads), std::bad_alloc when the heap is full, std::length_error when something is too
// long.
struct Host {
  std::uint32_t size;  // sizeof(Host), so that a later one may be longer
  std::uint32_t sdk_version;
  // Memory in the server's heap, aligned to `alignment` (a power of two, at most 4096). Throws
  // std::bad_alloc when state_size is reached or memory is out. Never returns null.
  void* (*allocate)(std::size_t bytes, std::size_t alignment);
  void (*deallocate)(void* memory) noexcept;
  // Makes heap memory writable that a system call is about to fill. Ignores other memory.
  void (*touch)(const void* memory, std::size_t bytes);
  // Looks at every block of the heap, free or given out; changes nothing. In any callback.
  bool (*heap_is_sane)();

  // Answers a call. False if its caller is known to be gone: it asked another daemon. Whether it was
  // answered before is not known; a second reply reaches nobody.
  bool (*reply)(const From* from, Bytes value);
  // A message to this server's handle_info, in `ns`, once. Returns its number, never 0.
  std::uint64_t (*send_after)(std::uint64_t ns, Bytes name, const Bytes* arguments,
                              std::size_t count);
  // Nanoseconds that were left; -1 if there is no such timer (any more).
  std::int64_t (*cancel)(std::uint64_t timer);
  void (*post)(Post kind, Bytes server, Bytes name, const Bytes* arguments, std::size_t count);
  // Returns the call's reference, never 0. Its answer, or "-TIMEOUT …" after `timeout_ns`, comes as
  // a message of kind kAnswer.
  std::uint64_t (*call)(std::uint64_t timeout_ns, Bytes server, Bytes name,
                        const Bytes* arguments, std::size_t count);
  // `value`: one RESP3 value, for the subscribers of "SERVER/CHANNEL".
  void (*publish)(Bytes channel, Bytes value);

  // The dictionary: byte strings by byte strings, in the order of the keys. What get() and next()
  // return is valid until the key is put again or erased.
  bool (*dictionary_get)(Bytes key, Bytes* value);
  void (*dictionary_put)(Bytes key, Bytes value);
  bool (*dictionary_erase)(Bytes key);
  // The first key after `key`, or the first of all with key.data null. False: none.
  bool (*dictionary_next)(Bytes key, Bytes* next, Bytes* value);
  std::size_t (*dictionary_size)();

  // Facts, valid as long as the process lives.
  Bytes server;               // this server's name
  std::uint32_t incarnation;  // 1 at the first start
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

// A former State that the behaviour can turn into its own.
struct CodeChange {
  StateType from;  // its name is not compared: it may have moved
  // Constructs the new State at `memory` out of the old one, and destroys the old one.
  void (*change)(void* behaviour, std::uint64_t old_version, void* old_state, void* memory);
};

// Flags of a Behaviour: its callback of that kind takes the State by const reference, so it runs
// without a journal, until it asks the Host for something that must be written.
inline constexpr std::uint64_t kCallReadsOnly = 1;
inline constexpr std::uint64_t kCastReadsOnly = 2;
inline constexpr std::uint64_t kInfoReadsOnly = 4;
// It has a format_status: only then format_state needs the behaviour object.
inline constexpr std::uint64_t kFormatsStatus = 8;

// A message that the behaviour lists, for people and completion; nothing depends on it. UTF-8
// without control characters; the name isn't empty.
struct MessageSpec {
  MessageKind kind;  // kCall, kCast or kInfo
  Bytes name;
  Bytes arguments;   // "KEY [VALUE]"
  Bytes text;        // what it does
};
// Of what a behaviour lists; more doesn't compile. Bytes of each text.
inline constexpr std::size_t kMostListedMessages = 256;
inline constexpr std::size_t kListedBytes = 256;

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
  // turns when `named`; `count` is the number of byte strings. Uses only the sink's then().
  void (*init)(void* behaviour, void* memory, const Bytes* arguments, std::size_t count,
               bool named, const Sink* sink);

  // handle_start: at every start, after init or recovery. Null if there is none, as below.
  Action (*start)(void* behaviour, void* state, const Sink* sink);

  // May this call run without a journal, though its callback takes a State&? Null: none may. Has no
  // effects.
  bool (*reads_only)(void* behaviour, const Message* message);

  // Runs handle_call, handle_cast or handle_info, by message->kind.
  Action (*handle)(void* behaviour, void* state, const Message* message, const Sink* sink);

  // SYS REPLACE_STATE: a message of kind kCall, named "replace_state". kNoReply: the answer is OK.
  Action (*replace_state)(void* behaviour, void* state, const Message* message, const Sink* sink);

  Action (*handle_continue)(void* behaviour, void* state, Bytes argument, const Sink* sink);

  void (*terminate)(void* behaviour, void* state, Bytes reason);

  const CodeChange* code_changes;
  std::size_t code_change_count;

  // Writes what `path` names (empty: all) of the state, or of what format_status makes of it, as
  // one RESP3 value: what SYS GET_STATE shows. Has no effects. Also in a process that is no worker,
  // on a private copy of the heap; there `behaviour` may be null without kFormatsStatus.
  void (*format_state)(void* behaviour, const void* state, Bytes path, const Sink* sink);

  // What it says of its own messages.
  const MessageSpec* messages;
  std::size_t message_count;
};

}  // namespace peeper::abi
