// The stream of events from the daemon (common/launch.hpp: ToListeners), read one by one.
// Owner: the listener thread. Blocks until an event is there.
#pragma once

#include <cstddef>
#include <cstdint>
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

  // None: the stream has ended in order, be it in the middle of an event. Failure: it can't be read
  // any more, or what came is no event, and nothing after it can be read; or, with ENOMEM, an event
  // that there is no memory for, which was skipped.
  [[nodiscard]] Result<std::optional<StateEvent>> next();
  // All listeners have returned.
  void acknowledge();
  // From any thread: what is there already is read, and then it has ended.
  void close_behind();

 private:
  enum class Got { kAll, kEnd, kError };  // kError: see errno
  Got read(char* to, std::size_t bytes);
  Got skip(std::uint64_t bytes);

  UniqueFd stream_;
  const std::string server_;
};

}  // namespace peeper::keeper
