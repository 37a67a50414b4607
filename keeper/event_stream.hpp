// The stream of events from the daemon (common/launch.hpp: ToListeners), read one by one.
// Owner: the listener thread. Blocks until an event is there.
#pragma once

#include <optional>
#include <string>

#include "common/launch.hpp"
#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "keeper/event.hpp"

namespace peeper::keeper {

class EventStream {
 public:
  EventStream(UniqueFd stream, std::string server)
      : stream_(std::move(stream)), server_(std::move(server)) {}

  // None: the stream has ended. Failure: what came is no event, and nothing after it can be read;
  // or, with ENOMEM, one that there is no memory for. Throws std::bad_alloc in the middle of one.
  [[nodiscard]] Result<std::optional<StateEvent>> next();
  // All listeners have returned.
  void acknowledge();
  // From any thread: what is there already is read, and then it has ended.
  void close_behind();

 private:
  enum class Got { kAll, kEnd };
  Got read(char* to, std::size_t bytes);

  UniqueFd stream_;
  const std::string server_;
};

}  // namespace peeper::keeper
