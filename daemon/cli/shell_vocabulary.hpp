// What the shell asks peeperd for while somebody types: names of servers, groups and messages.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/cli/options.hpp"
#include "daemon/cli/shell_words.hpp"

namespace peeper::cli {

// Owner: the shell. Thread: its only one. Nothing here takes longer than half a second.
class ShellVocabulary {
 public:
  // `options`: the shell's own. Both outlive it.
  ShellVocabulary(const Options& options, const std::vector<std::string>& commands)
      : options_(options), commands_(commands) {}

  // What completes the last word of `line` needs. The servers are asked for each time, as a reload
  // changes them; messages are remembered for some seconds, as an upgrade does.
  [[nodiscard]] Vocabulary of(std::string_view line);

 private:
  using Clock = std::chrono::steady_clock;
  struct Known {
    Clock::time_point until;
    std::vector<ListedMessage> messages;
  };
  void add_servers(Vocabulary& words) const;
  const std::vector<ListedMessage>& messages_of(const std::string& server);

  const Options& options_;
  const std::vector<std::string>& commands_;
  std::map<std::string, Known> known_;
};

}  // namespace peeper::cli
