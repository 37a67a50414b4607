// Many commands on their way at once; their replies come in the same order.
//
//   peeper::Pipeline pipeline(client);
//   for (const auto& line : lines) pipeline.cast("log", "line", line);
//   for (const auto& reply : pipeline.collect()) …
//
// After a lost connection those that were not answered are sent again, in order, with their tokens.
// Their times run from when they were given. To one server they arrive in order, also then.
//
// Owner: whoever holds it. It borrows the client: that may not be moved or used otherwise until all
// replies were taken, or the pipeline is gone. One that goes early gives up the connection, and its
// messages may or may not be carried out. Thread: the client's.
// Blocks: giving commands sends them, some 64 KiB at a time, and waits while peeperd takes no more.
// Memory: every unanswered command is kept, limits::kClientUnanswered at most.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "common/client/client.hpp"

namespace peeper {

class Pipeline {
 public:
  explicit Pipeline(Client& client) : client_(client) {}
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;
  ~Pipeline();

  // A failure (ENOBUFS): not given, and no reply will come for it.
  template <class... Arguments>
  Result<void> call(std::string_view server, std::string_view message,
                    const Arguments&... arguments) {
    return add(Command::call(server, message, arguments...));
  }
  template <class... Arguments>
  Result<void> cast(std::string_view server, std::string_view message,
                    const Arguments&... arguments) {
    return add(Command::cast(server, message, arguments...));
  }
  template <class... Arguments>
  Result<void> send(std::string_view server, std::string_view message,
                    const Arguments&... arguments) {
    return add(Command::send(server, message, arguments...));
  }
  Result<void> add(Command command);

  [[nodiscard]] std::size_t unanswered() const;
  // The reply to the oldest; there must be one.
  Result<resp::Reply> next();
  // All that are owed. A failure of one is in its place, those behind it are still asked for.
  std::vector<Result<resp::Reply>> collect();

 private:
  Client& client_;
};

}  // namespace peeper
