// Commands that were given and not answered yet, over a connection that may be lost meanwhile. What
// Client and Pipeline are made of; not for use by itself.
//
// Owner: the Client. Thread: one at a time. Blocks: next() until the oldest command's time is over.
// Memory: each unanswered command is kept.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>

#include "common/client/command.hpp"
#include "common/client/connection.hpp"
#include "common/client/failures.hpp"
#include "common/client/options.hpp"
#include "common/client/tokens.hpp"

namespace peeper::client_detail {

class Exchange {
 public:
  explicit Exchange(ClientOptions options);

  // One try, with HELLO 3; nothing if it is connected.
  Result<void> connect(Milliseconds timeout);
  // Behind the others. Its time runs from here on. Gives it a token, where the options say so.
  Result<void> add(Command command);
  // Sends what was not sent yet, if there is a connection; blocks while peeperd takes no more, at
  // most until the newest command's time is over. What fails here is next()'s to mend.
  void flush();
  // The reply to the oldest command. There must be one.
  Result<resp::Reply> next();
  [[nodiscard]] std::size_t unanswered() const { return commands_.size(); }
  // Bytes of commands that flush() would send, about.
  [[nodiscard]] std::size_t unsent_bytes() const { return unsent_bytes_; }
  // Forgets all commands, and the connection if one of them was sent on it.
  void forget();

  [[nodiscard]] std::string new_token() { return tokens_.next(); }
  [[nodiscard]] const ClientOptions& options() const { return options_; }

 private:
  enum class State { kUnsent, kSent, kFailed };
  struct Pending {
    Command command;
    Clock::time_point deadline;
    State state = State::kUnsent;
    bool ever_sent = false;  // on this or an earlier connection
    Failure failure;         // of kFailed
  };

  Result<resp::Reply> try_oldest();
  Result<void> send_unsent(Clock::time_point deadline);
  Result<void> send_chunk(Clock::time_point deadline);
  Result<resp::Reply> finish(Result<resp::Reply> result);
  // The connection is of no use any more: what was sent on it must be sent again, or has failed.
  void lose(const Failure& why);
  // False when the oldest command's time is over first.
  bool pause();
  [[nodiscard]] Carried fate(const Pending& pending) const;

  ClientOptions options_;
  TokenSource tokens_;
  Backoff backoff_;
  std::optional<Connection> connection_;
  std::deque<Pending> commands_;
  std::size_t handled_ = 0;  // of commands_, from the front: not kUnsent
  std::size_t unsent_bytes_ = 0;
};

}  // namespace peeper::client_detail
