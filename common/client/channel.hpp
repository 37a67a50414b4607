// Talks to one server through memory shared with its worker: while both are awake a call costs no
// system call. The daemon makes the channel, and takes no further part.
//
//   auto channel = peeper::Channel::open("counter", {.socket = "peeperd.sock"});
//   if (!channel) die(channel.error().what);
//   peeper::Result<std::int64_t> sum = peeper::as<std::int64_t>(channel->call("add", 5));
//
// Worker and keeper may crash: the channel stays, and so do its requests. What was in flight is
// answered -CRASHED, the next ones run. A channel ends with its daemon, with its connection, and
// with a request that is none; it is not opened again by itself. Whether the requests without a
// reply were carried out is not known then: with a token (Request::token) each may be asked again,
// for one effect, over another channel or by Client.
//
// Over a socket, cast and send are OK once the message waits; here, where nobody else holds it, once
// it was handled. Every request has one reply.
//
// Owner: whoever holds it; move-only. Thread: one at a time. Not for use after fork() in both
// processes. Blocks: for the options' timeout at most. While it waits it first looks, for busy_poll
// at most, then sleeps; both are the worker's `busy_poll` as well.
// Memory: two rings, and each reply that came before it was asked for.
//
// An answer is a Reply, and so are errors (Reply::is_error()). Made here: -TIMEOUT, the message may
// still be handled; -DOWN, it may be handled when the server is back. Failure.system_error:
//   ECONNRESET   the channel has ended: open another one
//   EMSGSIZE     a request may have half of a ring; nothing was sent
//   ETIMEDOUT    there was no room for the request in time; nothing was sent
//   EPROTO       the channel is broken: its memory was overwritten
//   as Connection has them, and EREMOTEIO with peeperd's own words, from open()
#pragma once

#include <charconv>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "common/busy_poll.hpp"
#include "common/client/connection.hpp"
#include "common/limits.hpp"
#include "common/resp/reply.hpp"
#include "common/result.hpp"
#include "common/segment/client_memory.hpp"

namespace peeper {

struct ChannelOptions {
  using Milliseconds = std::chrono::milliseconds;

  std::string socket = "/run/peeperd/peeperd.sock";
  // How long a reply may take, and before that room for the request.
  Milliseconds timeout = limits::kCallTimeout;
  // Of each of the two rings; 16 KiB to 4 MiB, rounded up to a power of two. A request may have
  // half of it, a reply a quarter.
  std::uint64_t ring_bytes = segment::kUsualClientRing;
  // How long to look for a reply before sleeping.
  BusyPollLimits busy_poll{50'000, true};
};

class Channel {
 public:
  static Result<Channel> open(std::string_view server, ChannelOptions options = {});

  enum class Kind { kCall, kCast, kSend };
  struct Request {
    Kind kind;
    std::string_view message;
    std::span<const std::string_view> arguments;
    std::string_view token{};  // 1 to limits::kTokenBytes bytes; empty: none
  };

  // Arguments are texts and numbers. Nothing else may be unanswered.
  template <class... Arguments>
  Result<resp::Reply> call(std::string_view message, const Arguments&... arguments) {
    return run(Kind::kCall, message, arguments...);
  }
  template <class... Arguments>
  Result<resp::Reply> cast(std::string_view message, const Arguments&... arguments) {
    return run(Kind::kCast, message, arguments...);
  }
  template <class... Arguments>
  Result<resp::Reply> send(std::string_view message, const Arguments&... arguments) {
    return run(Kind::kSend, message, arguments...);
  }
  Result<resp::Reply> run(const Request& request);

  // Pipelining: any number of post(), then as many next(), in order. The time of a request runs
  // from post() on. While the ring has no room post() takes in replies.
  template <class... Arguments>
  Result<void> post(Kind kind, std::string_view message, const Arguments&... arguments) {
    const Texts<sizeof...(Arguments)> texts{arguments...};
    return post({kind, message, texts.views});
  }
  Result<void> post(const Request& request);
  // The reply to the oldest one; there must be one.
  Result<resp::Reply> next();
  // Takes in what replies there are; true: next() will not wait.
  Result<bool> is_next_here();
  [[nodiscard]] std::size_t unanswered() const { return waiting_.size(); }

  [[nodiscard]] const std::string& server() const { return server_; }

 private:
  using Clock = std::chrono::steady_clock;
  struct Waiting {
    Clock::time_point deadline;
    bool answered = false;
    resp::Reply reply;
  };

  // The arguments' texts, without memory from the heap.
  template <std::size_t N>
  struct Texts {
    template <class... Arguments>
    explicit Texts(const Arguments&... arguments) {
      [[maybe_unused]] std::size_t at = 0;
      ((views[at] = text_of(arguments, digits[at]), ++at), ...);
    }
    template <class Argument>
    static std::string_view text_of(const Argument& argument, char (&room)[64]) {
      if constexpr (std::convertible_to<const Argument&, std::string_view>) {
        return argument;
      } else {
        static_assert(std::is_arithmetic_v<Argument> && !std::same_as<Argument, bool> &&
                          !std::same_as<Argument, char>,
                      "an argument is a text or a number: write \"yes\", std::string(1, c), …");
        const char* end = std::to_chars(room, room + sizeof room, argument).ptr;
        return {room, static_cast<std::size_t>(end - room)};
      }
    }
    char digits[N == 0 ? 1 : N][64];
    std::string_view views_of[N == 0 ? 1 : N];
    std::span<std::string_view> views{views_of, N};
  };

  template <class... Arguments>
  Result<resp::Reply> run(Kind kind, std::string_view message, const Arguments&... arguments) {
    const Texts<sizeof...(Arguments)> texts{arguments...};
    return run({kind, message, texts.views});
  }

  Channel(std::string server, ChannelOptions options, Connection connection,
          segment::ClientMemory memory);
  [[nodiscard]] segment::ClientHeader& header() const { return memory_.header(); }
  // Waits until `ready` says so; false: the time is over, or the server went down.
  template <class Ready>
  Result<bool> wait_until(Ready ready, Clock::time_point deadline);
  [[nodiscard]] Result<void> look_for_trouble() const;
  [[nodiscard]] bool is_down() const;
  [[nodiscard]] bool has_room(std::uint64_t record_bytes);
  // The worker's end is looked at when what was seen of it last is taken: each look may cost it a
  // trip to this processor.
  [[nodiscard]] bool has_reply() {
    if (reply_tail_ == reply_head_)
      reply_tail_ = header().reply_tail.load(std::memory_order_acquire);
    return reply_tail_ != reply_head_;
  }
  // Takes one reply, if there is one.
  Result<bool> take_reply();
  // Gives the worker the room of the replies that were taken.
  void give_room();
  void wake_worker();
  resp::Reply give_up_oldest();

  std::string server_;
  ChannelOptions options_;
  Connection connection_;
  segment::ClientMemory memory_;
  segment::Ring requests_;
  segment::Ring replies_;
  std::uint64_t request_tail_ = 0;
  std::uint64_t request_head_ = 0;  // as last seen
  std::uint64_t reply_head_ = 0;
  std::uint64_t reply_tail_ = 0;    // as last seen
  std::uint64_t given_head_ = 0;    // of it, what the worker knows
  std::uint64_t last_number_ = 0;   // of a request
  std::deque<Waiting> waiting_;     // the newest is that of last_number_
  std::string value_;               // a copy of a reply's
  BusyPoll busy_poll_;
};

}  // namespace peeper
