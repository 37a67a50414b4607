// A real peeper-keeper with listeners, and the test in the daemon's part.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/launch.hpp"
#include "common/segment/segment_id.hpp"
#include "common/unique_fd.hpp"
#include "process.hpp"

namespace peeper::test {

class KeeperStage {
 public:
  KeeperStage();
  ~KeeperStage();  // kills it, and removes the segment

  struct Start {
    std::vector<std::string> listeners;
    std::chrono::milliseconds timeout{10'000};
    std::vector<std::pair<std::string, std::string>> environment{};
  };
  // A new one, in place of the one there was. Returns once it holds the segment.
  void start(const Start& how);

  // The texts as RESP3.
  void tell_change(std::uint64_t sequence, std::uint64_t changes, std::string_view old_state,
                   std::string_view state);
  void tell_end(std::uint64_t sequence, std::string_view reason, std::string_view state);
  void send_raw(std::string_view bytes);
  // Of one event. False: none, or the keeper is gone.
  bool acknowledged(std::chrono::milliseconds patience = kPatience);
  // As a daemon that dies does it: with an acknowledgement that is there and was not read.
  void hang_up();
  // What the keeper says next.
  launch::ToDaemon packet();
  // A recovery; the keeper's answer.
  launch::ToDaemon recover();
  void ask_to_stop();
  // Its wait status.
  int end();
  // 0: none.
  std::uint64_t mark() const;
  [[nodiscard]] bool is_alive() const;
  [[nodiscard]] int pid() const { return pid_; }
  // What it has logged so far, and what came to stdout and stderr.
  [[nodiscard]] std::string log() const;
  [[nodiscard]] std::string output() const;
  // Its own, removed with it.
  [[nodiscard]] const std::filesystem::path& directory() const { return directory_; }
  [[nodiscard]] std::string segment() const { return id_.path(); }

 private:
  void end_process();

  const segment::SegmentId id_;
  std::filesystem::path directory_;
  UniqueFd control_;
  UniqueFd stream_;
  UniqueFd mark_;
  UniqueFd log_;  // files of memory
  UniqueFd output_;
  int pid_ = -1;
};

}  // namespace peeper::test
