#include "daemon/cli/shell_words.hpp"

#include <algorithm>
#include <array>
#include <cerrno>

#include "common/utf8.hpp"

namespace peeper::cli {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";
constexpr std::string_view kNeedQuotes = " \t\r\n'\"\\#";

bool is_blank(char c) { return kBlanks.find(c) != kBlanks.npos; }

// Reads a line to its end, or to where it breaks off.
struct Reading {
  std::vector<std::string> words;
  char open = '\0';          // the quote that isn't closed
  bool in_word = false;      // the last of the words isn't ended by a blank
  std::size_t last_at = 0;   // where the last word begins, or would
};

Reading read(std::string_view line) {
  Reading reading;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (reading.open == '\0' && is_blank(c)) {
      reading.in_word = false;
      reading.last_at = i + 1;
      continue;
    }
    if (!reading.in_word) {
      if (c == '#') {
        reading.last_at = line.size();
        break;
      }
      reading.in_word = true;
      reading.last_at = i;
      reading.words.emplace_back();
    }
    std::string& word = reading.words.back();
    const bool escapes = c == '\\' && reading.open != '\'' && i + 1 < line.size();
    if (reading.open == '\0' && (c == '\'' || c == '"')) {
      reading.open = c;
    } else if (c == reading.open && reading.open != '\0') {
      reading.open = '\0';
    } else if (escapes && (reading.open == '\0' || line[i + 1] == '"' || line[i + 1] == '\\')) {
      word += line[++i];
    } else {
      word += c;
    }
  }
  return reading;
}

bool takes_server(std::string_view command) {
  static constexpr std::array<std::string_view, 19> kCommands{
      "call",    "cast",  "send",    "state",  "watch", "status",      "stats", "trace", "upgrade",
      "crashes", "start", "stop",    "kill",   "restart", "suspend",   "resume", "bench",
      "messages", "replace-state"};
  return std::ranges::find(kCommands, command) != kCommands.end();
}

bool takes_group(std::string_view command) {
  return command == "start" || command == "stop" || command == "restart";
}

// What kind of message it sends; empty: none.
std::string_view sent_by(std::string_view command) {
  if (command == "call" || command == "bench") return "call";
  if (command == "cast") return "cast";
  if (command == "send") return "info";
  return {};
}

std::vector<std::string> without_options(const std::vector<std::string>& words) {
  std::vector<std::string> plain;
  for (const std::string& word : words)
    if (!word.starts_with('-')) plain.push_back(word);
  return plain;
}

std::vector<std::string> candidates(const std::vector<std::string>& before,
                                    const Vocabulary& vocabulary) {
  const std::vector<std::string> plain = without_options(before);
  if (plain.empty()) return vocabulary.commands;
  const std::string& command = plain[0];
  std::vector<std::string> found;
  if (plain.size() == 1 && takes_server(command)) found = vocabulary.servers;
  if (plain.size() == 1 && takes_group(command))
    found.insert(found.end(), vocabulary.groups.begin(), vocabulary.groups.end());
  if (plain.size() == 2)
    for (const ListedMessage& message : vocabulary.messages)
      if (message.kind == sent_by(command)) found.push_back(message.name);
  if (plain.size() == 1 && command == "help") found = vocabulary.commands;
  if (command == "deadletters") {
    if (plain.size() == 1) found = {"list", "show", "retry", "drop"};
    if (plain.size() == 2) found = vocabulary.servers;
  }
  if (plain.size() == 2 && (command == "stats" || command == "trace")) found = {"on", "off"};
  if (plain.size() == 2 && command == "kill") found = {"worker", "keeper", "standby"};
  if (plain.size() == 2 && command == "crashes") found = {"show"};
  return found;
}

// The shell puts it on the terminal as it is.
bool can_be_typed(const std::string& word) { return escape_control(word) == word; }

}  // namespace

Result<std::vector<std::string>> split_words(std::string_view line) {
  Reading reading = read(line);
  if (reading.open != '\0')
    return Failure{std::string("the quote ") + reading.open + " is not closed", EINVAL};
  return std::move(reading.words);
}

std::string quote_word(std::string_view word) {
  if (!word.empty() && word.find_first_of(kNeedQuotes) == word.npos) return std::string(word);
  std::string quoted = "\"";
  for (const char c : word) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + '"';
}

std::size_t begin_of_last_word(std::string_view line) { return read(line).last_at; }

Wanted wanted_for(std::string_view line) {
  Reading reading = read(line);
  if (reading.in_word) reading.words.pop_back();
  const std::vector<std::string> plain = without_options(reading.words);
  if (plain.empty()) return {};
  if (plain.size() == 2 && !sent_by(plain[0]).empty())
    return {.servers = false, .messages_of = plain[1]};
  return {.servers = true, .messages_of = {}};
}

std::vector<std::string> completions(std::string_view line, const Vocabulary& vocabulary) {
  Reading reading = read(line);
  std::string begun;
  if (reading.in_word) {
    begun = std::move(reading.words.back());
    reading.words.pop_back();
  }
  std::vector<std::string> found;
  for (const std::string& candidate : candidates(reading.words, vocabulary))
    if (candidate.starts_with(begun) && can_be_typed(candidate))
      found.push_back(quote_word(candidate));
  std::ranges::sort(found);
  return found;
}

}  // namespace peeper::cli
