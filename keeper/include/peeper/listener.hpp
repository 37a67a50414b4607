// What a listener is: a class that is told what becomes of a server's state. It runs in the
// server's keeper, never in its worker: it can't slow the server down, nor break it.
//
//   #include <peeper/listener.hpp>
//
//   class Audit : public peeper::Listener {
//     void on_state_changed(const boost::json::value& old_state, const boost::json::value& state,
//                           const peeper::Change& change) override {
//       ...
//     }
//   };
//   PEEPER_LISTENER(Audit)
//
// Needs Boost.JSON, linked or by boost/json/src.hpp. A state is as `peeper --json state` shows it.
//
// * One thread calls it: in the order of the changes, one call at a time.
// * A call may take its time. What the server does meanwhile is told by the next call as one
//   change: Change::changes says of how many. A call that takes longer than the server's
//   `listener_timeout` ends the keeper; time in which the process is stopped doesn't count.
// * An exception that leaves it is logged, and that is all. A crash ends the keeper. Another keeper
//   follows, with a listener made anew, and neither worker nor clients notice. What it crashed in
//   is told again to nobody, nor to those behind it in the list; the next change begins with the
//   state that one led to. After a start of peeperd the first begins with the state found there.
// * What it writes to stdout and stderr is in peeperd's log. Files that it hasn't opened are not
//   its to close (closefrom(), daemon()): that ends the keeper, as a crash does.
// * It runs, as what it starts does, with no signal blocked or ignored; a write to a pipe that
//   nobody reads fails with EPIPE.
// * It is destroyed when the server ends in order, and not at all in all other cases.
#pragma once

#include <algorithm>
#include <boost/json.hpp>
#include <cstdint>
#include <cstring>
#include <exception>
#include <string_view>

#include "peeper/listener_abi.hpp"

namespace peeper {

struct Change {
  std::string_view server;
  std::uint64_t sequence;  // of the transaction that made the state
  std::uint64_t changes;   // since the last one told; 1, or more when this one stands for several
};

struct Termination {
  std::string_view server;
  std::uint64_t sequence;  // of the last state
};

class Listener {
 public:
  virtual ~Listener() = default;

  // The state is another one than before. `old_state` is what the last call had as `state`.
  virtual void on_state_changed(const boost::json::value& /*old_state*/,
                                const boost::json::value& /*state*/, const Change& /*change*/) {}
  // The server has ended, with the reason that OTP's terminate(reason, state) has. Its state is
  // kept, and it may start again.
  virtual void on_terminate(std::string_view /*reason*/, const boost::json::value& /*state*/,
                            const Termination& /*termination*/) {}
};

namespace listener_detail {

using listener_abi::Bytes;
using listener_abi::Event;
using listener_abi::Thrown;

// With room: a state nests at most 64 deep, and a map in it whose keys are no text becomes an array
// of arrays.
inline constexpr std::size_t kDepth = 256;

inline std::string_view text(Bytes bytes) { return {bytes.data, bytes.size}; }

inline boost::json::value state(Bytes bytes) {
  boost::json::parse_options options;
  options.max_depth = kDepth;
  return boost::json::parse(boost::json::string_view(bytes.data, bytes.size), {}, options);
}

template <class Call>
void guarded(Thrown* thrown, Call call) noexcept {
  const auto say = [thrown](std::string_view what) {
    thrown->size = std::min(what.size(), sizeof thrown->text);
    std::memcpy(thrown->text, what.data(), thrown->size);
  };
  thrown->size = 0;
  try {
    call();
  } catch (const std::exception& e) {
    say(*e.what() == '\0' ? "an exception without a text" : e.what());
  } catch (...) {
    say("something that is no std::exception");
  }
}

template <class Type>
void* create(Thrown* thrown) noexcept {
  Listener* made = nullptr;
  guarded(thrown, [&] { made = new Type; });
  return made;
}

inline void destroy(void* listener) noexcept {
  Thrown ignored;
  guarded(&ignored, [&] { delete static_cast<Listener*>(listener); });
}

inline void on_state_changed(void* listener, const Event* event, Thrown* thrown) noexcept {
  guarded(thrown, [&] {
    const boost::json::value before = state(event->old_state);
    const boost::json::value after = state(event->state);
    static_cast<Listener*>(listener)->on_state_changed(
        before, after, {text(event->server), event->sequence, event->changes});
  });
}

inline void on_terminate(void* listener, const Event* event, Thrown* thrown) noexcept {
  guarded(thrown, [&] {
    const boost::json::value last = state(event->state);
    static_cast<Listener*>(listener)->on_terminate(text(event->reason), last,
                                                   {text(event->server), event->sequence});
  });
}

template <class Type>
const listener_abi::Table& table(const char* name) {
  static const listener_abi::Table made{listener_abi::kMagic,
                                        listener_abi::kVersion,
                                        sizeof(listener_abi::Table),
                                        name,
                                        create<Type>,
                                        destroy,
                                        on_state_changed,
                                        on_terminate};
  return made;
}

}  // namespace listener_detail
}  // namespace peeper

// Once in a shared object. `Type` is a Listener that can be made without arguments.
#define PEEPER_LISTENER(Type)                                                         \
  extern "C" [[gnu::visibility("default")]] const peeper::listener_abi::Table*        \
  peeper_listener() noexcept {                                                        \
    return &peeper::listener_detail::table<Type>(#Type);                              \
  }
