// A sink of spdlog's that writes a file and rotates it by its size. Whatever fails, it never waits,
// throws nothing, and goes on writing as soon as that works:
//
// * It can't be rotated: the file grows, and that is tried again after kRetryNs. No line is lost.
// * A line can't be written: it is lost, and so is what was written of it. How many were is said
//   before the next one that can.
//
// Both are told, and the first in the file too. Thread: the loop's.
#pragma once

#include <spdlog/details/null_mutex.h>
#include <spdlog/sinks/base_sink.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/clock.hpp"
#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace peeper::daemon {

class FileSink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  static constexpr std::uint64_t kRetryNs = 1'000'000'000;
  static constexpr std::uint64_t kTellEveryNs = 60'000'000'000;  // of lost lines, and of the other

  struct Options {
    std::string file;
    std::size_t most_bytes = 0;   // a longer line has a file of its own
    std::size_t older_files = 0;  // 0: never rotated; nor is what is no plain file
    // Somewhere else, what is wrong with the file.
    std::function<void(const std::string&)> tell;
    std::uint64_t (*now_ns)() = peeper::now_ns;
  };

  // Failure: the file can't be opened.
  [[nodiscard]] static Result<std::shared_ptr<FileSink>> open(Options options);
  FileSink(Options options, UniqueFd fd);
  // Says last how many lines were lost, if that can be written.
  ~FileSink() override;

 private:
  void sink_it_(const spdlog::details::log_msg& message) override;
  void flush_() override {}
  void put(const spdlog::details::log_msg& message);
  // Why it can't be rotated, the first time that it can't.
  std::string make_room(std::size_t bytes);
  // All of it or, as far as that can be, nothing. 0, or an errno.
  int write(std::string_view text);
  void take_back(std::string_view written);
  void lose(const std::string& why);
  void keep_spare();
  void tell(std::optional<std::uint64_t>& told_at, const std::string& what);

  std::string formatted(const spdlog::details::log_msg& message);
  std::string lost_lines() const;

  const Options options_;
  UniqueFd fd_;
  UniqueFd spare_;  // whose place the next file takes, also when clients have all others
  bool is_rotated_ = false;
  std::uint64_t size_ = 0;  // as far as we know; asked for before it is rotated
  std::uint64_t retry_at_ = 0;  // not rotated before that
  bool is_stuck_ = false;       // it couldn't be rotated the last time
  bool is_in_line_ = false;     // the last one was cut, and what there is of it stays
  std::uint64_t lost_ = 0;
  std::string why_lost_;
  std::optional<std::uint64_t> told_lost_at_;
  std::optional<std::uint64_t> told_stuck_at_;
};

}  // namespace peeper::daemon
