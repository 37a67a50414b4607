#include "common/client/command.hpp"

#include "common/limits.hpp"

namespace peeper {

Command Command::words(std::span<const std::string_view> words, Repeat repeat) {
  Command command(repeat);
  for (const std::string_view word : words) command.append_text(word);
  return command;
}

Command Command::words(std::initializer_list<std::string_view> words, Repeat repeat) {
  return Command::words(std::span(words.begin(), words.size()), repeat);
}

void Command::append_to(std::string& out, Milliseconds timeout) const {
  // The daemon's own default need not be said.
  const bool says_timeout = is_message() && timeout != limits::kCallTimeout;
  const std::size_t words =
      word_count_ + (is_message() ? 1 : 0) + (says_timeout ? 2 : 0) + (token_.empty() ? 0 : 2);
  resp::append_array(out, words);
  if (is_message()) resp::append_bulk(out, verb_);
  if (says_timeout) {
    resp::append_bulk(out, "TIMEOUT");
    resp::append_bulk(out, std::to_string(timeout.count()));
  }
  if (!token_.empty()) {
    resp::append_bulk(out, "ID");
    resp::append_bulk(out, token_);
  }
  out += words_;
}

}  // namespace peeper
