// Server's state for who asks: from its worker while that answers, else from an inspector.
//
// The worker's answer is cheapest and stands in the mailbox's order. So it is asked first, unless
// it can't answer: the server is down, a callback takes long already, the mailbox is full. What it
// hasn't answered while nothing was committed for some time, an inspector answers; the first answer
// counts. Who asks for the same shares one inspector, and there is one at a time.
#include <algorithm>

#include "common/clock.hpp"
#include "common/limits.hpp"
#include "daemon/process/worker_process.hpp"
#include "daemon/server/server.hpp"
#include "daemon/values/reply_text.hpp"

namespace peeper::daemon {
namespace {

// Between two looks at what the worker does.
constexpr std::chrono::milliseconds kLookPeriod{100};
// Looks without a commit after which a worker isn't waited for any more: one that is ready; and one
// that is only coming, which is a matter of milliseconds, but of more on a loaded machine.
constexpr int kLooksReady = 2;
constexpr int kLooksComing = 10;
constexpr int kMostTries = 3;

}  // namespace

void Server::get_state(std::string path, ReplyTarget asker) {
  if (life_.goal == Goal::kStop) {
    asker.sink->deliver(asker.slot, error_value(down_text()));
    return;
  }
  asker.is_system = true;
  questions_.push_back({.path = std::move(path),
                        .asker = std::move(asker),
                        .deadline = std::chrono::steady_clock::now() + limits::kCallTimeout});
  if (!is_callback_slow()) ask_worker(questions_.back());
  inspect_next();
  watch_questions();
}

// Has the callback in hand taken so long that its end isn't waited for? The numbers are the
// worker's: whatever they are, the question is answered.
bool Server::is_callback_slow() const {
  if (!rings_) return false;
  const segment::Control& control = rings_->segment().control();
  const std::uint64_t now = now_ns();
  const std::uint64_t began = control.in_flight.started_at;
  return control.in_flight.sequence.load(std::memory_order_acquire) ==
             control.committed.load(std::memory_order_acquire) + 1 &&
         began < now && now - began > std::uint64_t{std::chrono::nanoseconds(kLookPeriod).count()};
}

void Server::ask_worker(StateQuestion& question) {
  if (life_.is_down() || !accepts_messages()) return;
  // The name stands in for a message's, where one is shown.
  const std::string_view strings[] = {"sys get_state", question.path};
  const Message message{.type = segment::MessageType::kGetState,
                        .request = last_request_ + 1,
                        .strings = std::span{strings}.first(question.path.empty() ? 1 : 2)};
  if (push(message) == Rings::Push::kDone) question.request = ++last_request_;
}

std::optional<ReplyTarget> Server::take_question(std::uint64_t request) {
  const auto found = std::ranges::find(questions_, request, &StateQuestion::request);
  if (request == 0 || found == questions_.end()) return std::nullopt;
  ReplyTarget asker = std::move(found->asker);
  questions_.erase(found);
  return asker;
}

bool Server::needs_inspector(const StateQuestion& question) const {
  const int most = life_.worker == WorkerStage::kReady ? kLooksReady : kLooksComing;
  return question.request == 0 || life_.is_down() || question.still_looks >= most;
}

// What tells one moment of the State from another.
Server::LastCommit Server::last_commit() const {
  if (!rings_) return {};
  const segment::Control& control = rings_->segment().control();
  return {control.committed.load(std::memory_order_acquire),
          control.journal.generation.load(std::memory_order_acquire)};
}

void Server::inspect_next() {
  while (!inspector_.runs()) {
    const auto next = std::ranges::find_if(
        questions_, [this](const StateQuestion& question) { return needs_inspector(question); });
    if (next == questions_.end()) return;
    for (StateQuestion& question : questions_)
      question.is_inspected = question.path == next->path && needs_inspector(question);
    LaunchSpec spec = behaviour_spec();
    spec.arguments.emplace_back("--inspect");
    if (!next->path.empty()) spec.arguments.push_back("--path=" + next->path);
    // It maps the heap as memory of its own, though it writes hardly any of it.
    give_memory(section_.state_bytes, spec);
    at_inspection_ = last_commit();
    const auto started = inspector_.start(
        std::move(spec), [this](const Result<std::string>& answer) { on_inspected(answer); });
    if (!started) answer_inspected(error_value("ERR " + name() + ": " + started.error().what));
  }
}

// A crash while the State changed says nothing of the State: it was torn for who looked.
void Server::on_inspected(const Result<std::string>& answer) {
  if (answer)
    answer_inspected(*answer);
  else if (answer.error().system_error == EAGAIN || last_commit() != at_inspection_)
    inspect_again();
  else
    answer_inspected(error_value("ERR " + name() + ": " + answer.error().what +
                                 "; the server is as it was. A part of the state may be sound: "
                                 "peeper state " +
                                 name() + " PATH"));
  inspect_next();
}

// Where much is committed, there is a worker to be asked.
void Server::inspect_again() {
  for (StateQuestion& question : questions_) {
    if (!std::exchange(question.is_inspected, false) || ++question.tries < kMostTries) continue;
    question.tries = 0;
    question.still_looks = 0;
    if (question.request == 0) ask_worker(question);
    question.is_inspected = question.request == 0;
  }
  answer_inspected(error_value("ERR " + name() +
                               ": the state changes all the while; ask again, or for less of it"));
}

void Server::answer_inspected(const std::string& value) {
  std::erase_if(questions_, [&](const StateQuestion& question) {
    if (question.is_inspected) question.asker.sink->deliver(question.asker.slot, value);
    return question.is_inspected;
  });
}

void Server::watch_questions() {
  if (questions_.empty() || std::exchange(watches_questions_, true)) return;
  seen_committed_ = last_commit().committed;
  await_look();
}

void Server::await_look() {
  state_timer_.expires_after(kLookPeriod);
  state_timer_.async_wait([this](boost::system::error_code error) {
    if (!error) look_at_questions();
  });
}

void Server::look_at_questions() {
  if (has_replies()) drain();
  const std::uint64_t committed = last_commit().committed;
  const bool moved = std::exchange(seen_committed_, committed) != committed;
  const Instant now = std::chrono::steady_clock::now();
  const std::string late = error_value("TIMEOUT " + name() + ": its state was not shown in time");
  std::erase_if(questions_, [&](StateQuestion& question) {
    question.still_looks = moved ? 0 : question.still_looks + 1;
    if (question.deadline > now) return false;
    question.asker.sink->deliver(question.asker.slot, late);
    return true;
  });
  inspect_next();
  watches_questions_ = !questions_.empty();
  if (watches_questions_) await_look();
}

// Nobody looks any more.
void Server::fail_questions() {
  state_timer_.cancel();
  inspector_.cancel();
  const std::string value = error_value(down_text());
  for (const StateQuestion& question : std::exchange(questions_, {}))
    question.asker.sink->deliver(question.asker.slot, value);
}

}  // namespace peeper::daemon
