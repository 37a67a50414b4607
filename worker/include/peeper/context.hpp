// What a callback can do beside changing its State. Any callback may take a `peeper::Context&` as
// its last parameter.
//
// All of it is part of the running transaction. Messages leave with the commit and arrive exactly
// once, in order for each receiver, whatever dies in between; timers and the dictionary live in the
// heap. A message that throws or crashes has sent, started and stored nothing.
//
// A callback that takes a const State&, and a call for which reads_only says yes, may do all this
// too: only the State is not to be changed there. Such a message is journaled from its first effect
// on, or from its first memory of the heap (a local peeper:: container), as others are from their
// start.
//
// Errors: std::logic_error in format_status and reads_only, which may have no effects, outside of
// callbacks, and in a process that is no server; std::bad_alloc when the heap is full;
// std::length_error when a name, an argument or a value is too long; another exception when the
// outbox is full and does not empty within 2 s. Let them pass: the message fails, its caller gets
// -CRASHED, and the State is as before. What format_status throws is the answer of SYS GET_STATE,
// and no failure.
//
// Arguments of messages: text of any kind, numbers and bools ("1", "0"), each sent as text.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "peeper/abi.hpp"
#include "peeper/detail/duration.hpp"
#include "peeper/detail/host.hpp"
#include "peeper/detail/outgoing.hpp"
#include "peeper/dictionary.hpp"
#include "peeper/handles.hpp"
#include "peeper/value.hpp"

namespace peeper {

// Of Context::call(), as of OTP's gen_server:call.
inline constexpr std::chrono::seconds kCallTimeout{5};

// Holds nothing; any instance is as good as another. Thread: the callback thread only.
class Context {
 public:
  // Answers a call: one that was left unanswered, also before a crash, or the one that runs, which
  // then returns noreply(). False when its caller is known to be gone, since it asked a peeperd that
  // has ended, or is nobody. True says no more than that the reply is on its way: whether its caller
  // still waits, or was answered already, a server doesn't know. Of several replies to one call the
  // first arrives, and the others do nothing.
  bool reply(const From& caller, const Value& value) const;

  // In `delay`, handle_info gets this message, once. The clock's jumps don't matter; time in which
  // the server is down counts. More than 292 years count as that. Throws std::invalid_argument when
  // negative.
  template <class Rep, class Period, class... Arguments>
  Timer send_after(const std::chrono::duration<Rep, Period>& delay, std::string_view name,
                   const Arguments&... arguments) const {
    const detail::OutgoingArguments<sizeof...(Arguments)> texts(arguments...);
    return {detail::host().send_after(detail::nanoseconds_in(delay), detail::as_bytes(name),
                                      texts.data(), sizeof...(Arguments))};
  }
  // The time that was left. Nothing when the message is out already, or was cancelled.
  std::optional<std::chrono::nanoseconds> cancel(Timer timer) const;

  // To another server, or to this one: handle_cast, handle_info. When there is no such server, or
  // it is down for good, the message is dropped.
  template <class... Arguments>
  void cast(std::string_view server, std::string_view name, const Arguments&... arguments) const {
    post(abi::Post::kCast, server, name, arguments...);
  }
  template <class... Arguments>
  void send(std::string_view server, std::string_view name, const Arguments&... arguments) const {
    post(abi::Post::kInfo, server, name, arguments...);
  }

  // handle_call of another server, or of this one; nothing blocks. Its answer comes to handle_info
  // later (Message::answer), exactly one for each call: what the server replied, or an error.
  //   state.asked = context.call("bank", "balance", 7);
  //   state.asked = context.call(500ms, "bank", "balance", 7);
  template <class... Arguments>
  Reference call(std::string_view server, std::string_view name,
                 const Arguments&... arguments) const {
    return call(kCallTimeout, server, name, arguments...);
  }
  template <class Rep, class Period, class... Arguments>
  Reference call(const std::chrono::duration<Rep, Period>& timeout, std::string_view server,
                 std::string_view name, const Arguments&... arguments) const {
    const detail::OutgoingArguments<sizeof...(Arguments)> texts(arguments...);
    return {detail::host().call(detail::nanoseconds_in(timeout), detail::as_bytes(server),
                                detail::as_bytes(name), texts.data(), sizeof...(Arguments))};
  }

  // To the clients that did SUBSCRIBE SERVER/CHANNEL, SERVER being this server's name.
  void publish(std::string_view channel, const Value& value) const;

  [[nodiscard]] Dictionary dictionary() const noexcept { return {}; }

  // This server's name.
  [[nodiscard]] std::string_view server() const;
  // How many times the worker was started; 1 at the first start.
  [[nodiscard]] std::uint32_t incarnation() const;

 private:
  template <class... Arguments>
  void post(abi::Post kind, std::string_view server, std::string_view name,
            const Arguments&... arguments) const {
    const detail::OutgoingArguments<sizeof...(Arguments)> texts(arguments...);
    detail::host().post(kind, detail::as_bytes(server), detail::as_bytes(name), texts.data(),
                        sizeof...(Arguments));
  }
};

}  // namespace peeper
