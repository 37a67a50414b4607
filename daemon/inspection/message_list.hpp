// The messages that a server's behaviour lists, for who asks: peeper-worker --list-messages says
// them, a process for each file that holds the behaviour, as the inspector is one for a state.
//
// Owner: Server. Thread: the loop's. Never blocks but for launching that process.
#pragma once

#include <sys/stat.h>

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/delivery/calls.hpp"
#include "daemon/inspection/inspector.hpp"

namespace peeper::daemon {

class MessageList {
 public:
  // `server`: its name, for errors.
  MessageList(boost::asio::io_context& loop, std::string server)
      : server_(std::move(server)),
        inspector_(loop, limits::kInspectionTime, "the list of its messages") {}

  // `spec`: as of the worker, whose behaviour is in the file `library`. The asker gets one RESP3
  // value within limits::kInspectionTime: at once, if the file is the one that was asked last.
  void ask(LaunchSpec spec, const std::string& library, ReplyTarget asker);
  // Who waits gets this value, an error.
  void fail(const std::string& value);

 private:
  // Tells one file from another, and from itself once it was written anew.
  struct Stamp {
    dev_t device = 0;
    ino_t inode = 0;
    off_t bytes = 0;
    std::int64_t seconds = 0;
    long nanoseconds = 0;
    bool operator==(const Stamp&) const = default;
  };
  [[nodiscard]] static std::optional<Stamp> stamp_of(const std::string& library);
  void on_end(const Result<std::string>& answer);
  void answer(const std::string& value);

  const std::string server_;
  Inspector inspector_;
  std::vector<ReplyTarget> askers_;
  std::optional<Stamp> stamp_;  // of the file that list_ is of, or will be
  std::string list_;            // empty: none
};

}  // namespace peeper::daemon
