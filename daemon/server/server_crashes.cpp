// What Server knows of its crashes, and the dead letters that came of them.
#include <sys/wait.h>

#include <algorithm>

#include "common/limits.hpp"
#include "daemon/inspection/crash_values.hpp"
#include "daemon/server/server.hpp"

namespace peeper::daemon {

using segment::MessageType;

namespace {

NameOfUid names_in(const Exchange& exchange) {
  return [&exchange](std::uint64_t uid) {
    const Receiver* server = exchange.find(uid);
    return server == nullptr ? std::string() : server->name();
  };
}

// An incarnation dies of one message at most.
std::uint64_t letter_of(const segment::Crash& crash, const std::vector<segment::Letter>& letters) {
  if (crash.verdict != segment::Verdict::kDrop) return 0;
  const auto found = std::ranges::find(letters, crash.incarnation, &segment::Letter::incarnation);
  return found == letters.end() ? 0 : found->number;
}

}  // namespace

std::vector<std::string> Server::crashes() const {
  std::vector<std::string> values;
  if (!rings_) return values;
  const auto letters = segment::read_letters(rings_->segment());
  for (const segment::Crash& crash : segment::read_history(rings_->segment()))
    values.push_back(crash_value(name(), crash, letter_of(crash, letters), names_in(exchange_),
                                 Detail::kLine));
  return values;
}

std::optional<segment::Crash> Server::find_crash(std::uint64_t number) const {
  if (!rings_) return std::nullopt;
  auto history = segment::read_history(rings_->segment());
  const auto found = std::ranges::find(history, number, &segment::Crash::number);
  if (found == history.end()) return std::nullopt;
  return std::move(*found);
}

std::optional<std::string> Server::crash(std::uint64_t number) const {
  const auto found = find_crash(number);
  if (!found) return std::nullopt;
  return crash_value(name(), *found, letter_of(*found, segment::read_letters(rings_->segment())),
                     names_in(exchange_), Detail::kAll);
}

void Server::prepare_crash_exec() {
  if (section_.on_crash_exec.empty()) return;
  crash_exec_.emplace(loop_, name(),
                      CrashExec::Programs{programs_.crash_exec,
                                          programs_.behaviours.config_directory /
                                              section_.on_crash_exec});
}

// As Prometheus' label: signals by name, all else by the kind of its end.
void Server::count_crash(std::uint64_t number) {
  if (number == 0) return;
  const auto found = find_crash(number);
  if (!found) return;
  std::string cause{segment::word_for(found->cause)};
  if (found->cause == segment::CrashCause::kSignal)
    cause = segment::signal_name(WIFSIGNALED(found->wait_status) ? WTERMSIG(found->wait_status)
                                                                 : found->signal);
  ++traffic_.crashes[std::move(cause)];
}

void Server::tell_of_crash(std::uint64_t number) {
  if (number == 0 || !crash_exec_) return;
  if (const auto value = crash(number)) crash_exec_->run(*value);
}

// --- Dead letters --------------------------------------------------------------------------------

std::vector<std::string> Server::letters() const {
  std::vector<std::string> values;
  if (!rings_) return values;
  for (const segment::Letter& letter : segment::read_letters(rings_->segment()))
    values.push_back(letter_value(name(), letter, names_in(exchange_), Detail::kLine));
  return values;
}

std::optional<segment::Letter> Server::find_letter(std::uint64_t number) const {
  if (!rings_) return std::nullopt;
  auto found = segment::read_letters(rings_->segment(), number);
  if (found.empty()) return std::nullopt;
  return std::move(found.front());
}

std::optional<std::string> Server::letter(std::uint64_t number) const {
  const auto found = find_letter(number);
  if (!found) return std::nullopt;
  return letter_value(name(), *found, names_in(exchange_), Detail::kAll);
}

bool Server::drop_letter(std::uint64_t number) {
  if (!find_letter(number)) return false;
  segment::mark_gone(rings_->segment(), number);
  return true;
}

std::size_t Server::drop_letters() {
  if (!rings_) return 0;
  const auto letters = segment::read_letters(rings_->segment());
  for (const segment::Letter& letter : letters)
    segment::mark_gone(rings_->segment(), letter.number);
  return letters.size();
}

// First into the mailbox, then gone: in between a death leaves both, and a second retry. That one
// is known by its token: the message's own, or one that names the letter.
Server::Retried Server::retry_letter(std::uint64_t number, std::uint32_t pid) {
  const auto found = find_letter(number);
  if (!found) return Retried::kNoLetter;
  if (found->message.type == MessageType::kAnswer) return Retried::kAnswer;
  std::vector<std::string_view> strings{found->strings.begin(), found->strings.end()};
  const std::string token =
      "dead letter " + std::to_string(number) + " of " + std::to_string(rings_->uid());
  const bool has_own = (found->message.flags & segment::kHasToken) != 0 && strings.size() > 1;
  if (!has_own) strings.emplace_back(token);
  const Message message{.type = found->message.type,
                        .flags = segment::kHasToken,
                        .pid = pid,
                        .strings = strings};
  Sent sent = send(message);
  if (sent == Sent::kTooBig && !has_own) {  // by the token
    strings.pop_back();
    sent = send({.type = found->message.type, .pid = pid, .strings = strings});
  }
  switch (sent) {
    case Sent::kDone: break;
    case Sent::kFull: return Retried::kFull;
    case Sent::kTooBig: return Retried::kTooBig;
    case Sent::kDown: return Retried::kDown;
  }
  segment::mark_gone(rings_->segment(), number);
  if (debug_.on())
    debug_.message_in(message.type, message.without_token(), "dead letter " + std::to_string(number));
  return Retried::kDone;
}

}  // namespace peeper::daemon
