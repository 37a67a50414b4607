// Talks to the servers of a peeperd, blocking, and outlives the connection: a message whose reply
// was lost is sent again over a new connection, with the same token, so that it has one effect.
//
//   auto client = peeper::Client::connect({.socket = "peeperd.sock"});
//   if (!client) die(client.error().what);
//   peeper::Result<std::int64_t> sum = peeper::as<std::int64_t>(client->call("counter", "add", 5));
//
// Owner: whoever holds it; move-only. Thread: one at a time. Blocks: for the command's timeout and
// the options' grace at most, pauses between tries included. SIGPIPE is never raised.
//
// An answer of peeperd's is a Reply, and so are its errors (Reply::is_error()). They are not tried
// again, for only the caller knows what is right:
//   -TIMEOUT  the message may still run. The same again with the same token gets its reply.
//   -DOWN     the message may run when the server is started again; with the same token, once.
//   -CRASHED  it was undone, and its token with it: the same again runs it again.
// For that, give the token yourself: Command::call(…).token(client.new_token()).
//
// A Failure says that there was no answer; Failure.system_error tells why:
//   ETIMEDOUT     peeperd is there and did not answer in time
//   ECONNREFUSED, ENOENT, ECONNRESET, EPIPE, EAGAIN
//                 it did not come back in time; or, of a message without a token, the connection
//                 was lost while it was under way
//   EPROTO        what answered is no peeperd. Others: as connect(2) has them.
// Whether the command may have been carried out is in the sentence.
//
// Not for use after fork() in both processes: they would share socket and tokens.
#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "common/client/command.hpp"
#include "common/client/convert.hpp"
#include "common/client/options.hpp"
#include "common/resp/reply.hpp"
#include "common/result.hpp"

namespace peeper {

class Channel;

namespace client_detail {
class Exchange;
}

class Client {
 public:
  // One try, so that a wrong path is told at once; only later losses are waited out.
  static Result<Client> connect(ClientOptions options = {});
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  ~Client();

  // handle_call: what it replied. Arguments are texts and numbers.
  template <class... Arguments>
  Result<resp::Reply> call(std::string_view server, std::string_view message,
                           const Arguments&... arguments) {
    return run(Command::call(server, message, arguments...));
  }
  // handle_cast and handle_info: OK once the message is in the server's mailbox, for good.
  template <class... Arguments>
  Result<resp::Reply> cast(std::string_view server, std::string_view message,
                           const Arguments&... arguments) {
    return run(Command::cast(server, message, arguments...));
  }
  template <class... Arguments>
  Result<resp::Reply> send(std::string_view server, std::string_view message,
                           const Arguments&... arguments) {
    return run(Command::send(server, message, arguments...));
  }
  // Any command, with a timeout or token of its own. EBUSY while a Pipeline waits for replies.
  Result<resp::Reply> run(Command command);

  // Memory shared with one server's worker, over a connection of its own: see channel.hpp, which is
  // to be included.
  Result<Channel> open_channel(std::string_view server);

  [[nodiscard]] std::string new_token();
  [[nodiscard]] const ClientOptions& options() const;

 private:
  friend class Pipeline;
  explicit Client(std::unique_ptr<client_detail::Exchange> exchange);

  std::unique_ptr<client_detail::Exchange> exchange_;
};

}  // namespace peeper
