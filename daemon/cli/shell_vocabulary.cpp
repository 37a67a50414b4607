#include "daemon/cli/shell_vocabulary.hpp"

#include <optional>

#include "common/client/client.hpp"
#include "daemon/cli/commands.hpp"

namespace peeper::cli {
namespace {

// Somebody waits at the keyboard. The messages take peeperd a process, the first time.
constexpr std::chrono::milliseconds kPatience{300};
constexpr std::chrono::milliseconds kMessagesPatience{500};
constexpr std::chrono::seconds kRemembered{10};
// Where there was no answer, nobody shall wait again at once.
constexpr std::chrono::seconds kRememberedFailure{2};

std::optional<resp::Reply> ask(const Options& shell, const std::vector<std::string_view>& words,
                               std::chrono::milliseconds patience) {
  ClientOptions options = client_options(shell);
  options.timeout = patience;
  auto client = Client::connect(options);
  if (!client) return std::nullopt;
  auto reply = client->run(Command::words(words, Repeat::kNever).patience(patience));
  if (!reply || reply->is_error()) return std::nullopt;
  return *std::move(reply);
}

}  // namespace

Vocabulary ShellVocabulary::of(std::string_view line) {
  Vocabulary words;
  words.commands = commands_;
  const Wanted wanted = wanted_for(line);
  if (wanted.servers) add_servers(words);
  if (!wanted.messages_of.empty()) words.messages = messages_of(wanted.messages_of);
  return words;
}

void ShellVocabulary::add_servers(Vocabulary& words) const {
  const auto children = ask(options_, {"SUPERVISOR", "WHICH_CHILDREN"}, kPatience);
  if (!children) return;
  for (const resp::Reply& child : children->elements) {
    if (const resp::Reply* name = child.field("server")) words.servers.push_back(name->text);
    if (const resp::Reply* name = child.field("group_name")) words.groups.push_back(name->text);
  }
}

const std::vector<ListedMessage>& ShellVocabulary::messages_of(const std::string& server) {
  Known& known = known_[server];
  if (Clock::now() < known.until) return known.messages;
  known.messages.clear();
  const auto listed = ask(options_, {"SYS", "MESSAGES", server}, kMessagesPatience);
  known.until = Clock::now() + (listed ? kRemembered : kRememberedFailure);
  if (!listed) return known.messages;
  for (const resp::Reply& message : listed->elements) {
    const resp::Reply* kind = message.field("kind");
    const resp::Reply* name = message.field("message");
    if (kind != nullptr && name != nullptr) known.messages.push_back({kind->text, name->text});
  }
  return known.messages;
}

}  // namespace peeper::cli
