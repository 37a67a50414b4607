#include "audit.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <sstream>
#include <thread>

#include "servers.hpp"

namespace peeper::torture {

using namespace std::chrono_literals;

namespace {

// What peeperd has for a standby: two pidfds, and a socket to activate it by.
constexpr const char* kPidfd = "anon_inode:[pidfd]";
constexpr const char* kSocket = "socket";
constexpr const char* kPipe = "pipe";

// True once it is so.
bool await(const std::function<bool()>& condition, std::chrono::seconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(10ms);
  }
  return true;
}

std::string names_of(const std::vector<Relative>& all) {
  std::string text;
  for (const Relative& one : all)
    text += " " + one.name + "(" + std::to_string(one.pid) + "," + one.state + ")";
  return text;
}

}  // namespace

Audit::Audit(test::Instance& peeperd, Shared& shared) : peeperd_(peeperd), shared_(shared) {
  await_servers();
  const std::size_t wanted = 2 * kServers.size() + kStandbys;
  if (!await([&] { return children_of(peeperd_.daemon().pid()).size() == wanted; }, 60s))
    shared_.verdict.fail("the standbys don't come");
  children_ = static_cast<int>(children_of(peeperd_.daemon().pid()).size());
  // The connection that has asked is closed a moment later.
  for (int same = 0; same < 20;) {
    Descriptors now = descriptors_of(peeperd_.daemon().pid());
    same = now == descriptors_ ? same + 1 : 0;
    descriptors_ = std::move(now);
    std::this_thread::sleep_for(10ms);
  }
}

void Audit::check(const Callers& callers) {
  if (!shared_.verdict.has_failed()) await_servers();
  if (!shared_.verdict.has_failed()) check_states(callers);
  for (const auto& caller : callers) caller->disconnect();
  if (!shared_.verdict.has_failed()) check_processes();
  if (!shared_.verdict.has_failed()) await_descriptors();
}

// Each runs, and answers.
void Audit::await_servers() {
  for (const std::string_view server : kServers) {
    std::string state;
    const auto runs = [&] {
      test::Talk talk = peeperd_.talk();
      const auto status = talk.reply({"SYS", "GET_STATUS", server});
      const resp::Reply* field = status ? status->field("state") : nullptr;
      state = field == nullptr ? test::text_of(status) : field->text;
      return state == "running";
    };
    if (!await(runs, 60s))
      return shared_.verdict.fail(std::string(server) + " is not up in the end: " + state);
  }
}

void Audit::demand(std::initializer_list<std::string_view> command, const std::string& wanted) {
  const std::string got = peeperd_.talk()(command);
  std::string words;
  for (const std::string_view word : command) words += std::string(word) + " ";
  if (got != wanted) shared_.verdict.fail(words + "is '" + got + "', not '" + wanted + "'");
}

void Audit::check_states(const Callers& callers) {
  for (const auto& caller : callers) caller->audit();
  if (shared_.verdict.has_failed()) return;
  for (const std::string_view server : {kVotes, kHub}) demand({"CALL", server, "fault"}, "");
  const std::string sum =
      std::to_string(static_cast<std::int64_t>(callers.size()) * Caller::kOpened);
  for (const std::string_view server : {kBank, kTill}) {
    demand({"CALL", server, "audit"}, "OK");
    demand({"CALL", server, "sum"}, sum);
  }
  std::size_t keys = 0;
  for (const auto& caller : callers) keys += caller->keys();
  demand({"CALL", kStore, "DBSIZE"}, std::to_string(keys));
  check_clicks(callers);
}

// Each count was answered to one message, and there are as many as messages.
void Audit::check_clicks(const Callers& callers) {
  std::vector<std::int64_t> all;
  std::size_t clicks = 0;
  for (const auto& caller : callers) {
    all.insert(all.end(), caller->clicks().begin(), caller->clicks().end());
    clicks += caller->slow_clicks();
  }
  std::sort(all.begin(), all.end());
  const auto twice = std::adjacent_find(all.begin(), all.end());
  if (twice != all.end())
    shared_.verdict.fail("clicks: two messages were answered " + std::to_string(*twice));
  demand({"CALL", kClicks, "state"}, std::to_string(clicks + all.size()));
}

// A keeper and a worker for each server, standbys as far as they are back, nobody else, no zombie.
void Audit::check_processes() {
  std::string seen;
  const auto right = [&] {
    const int daemon = peeperd_.daemon().pid();
    const std::vector<Relative> children = children_of(daemon);
    const std::vector<Relative> all = of_instance(peeperd_.name());
    seen = "children:" + names_of(children) + "; of the instance:" + names_of(all);
    for (const Relative& child : children_of(::getpid())) {
      if (child.pid == daemon) continue;
      seen += "; orphan:" + names_of({child});
      if (child.state == 'Z') ::waitpid(child.pid, nullptr, WNOHANG);
      return false;
    }
    const auto count = [&](const std::string& name) {
      return std::count_if(children.begin(), children.end(),
                           [&](const Relative& child) { return child.name == name; });
    };
    for (const std::string_view server : kServers)
      if (count("w:" + std::string(server)) != 1 || count("k:" + std::string(server)) != 1)
        return false;
    const bool is_dead = std::any_of(children.begin(), children.end(), [](const Relative& child) {
      return child.state == 'Z' || child.state == 'T';
    });
    return !is_dead && children.size() <= 2 * kServers.size() + kStandbys &&
           all.size() == children.size() + 1;
  };
  if (!await(right, 30s)) shared_.verdict.fail("wrong processes; " + seen);

  std::vector<std::string> wanted{"peeper." + peeperd_.name()};
  for (const std::string_view server : kServers)
    wanted.push_back("peeper." + peeperd_.name() + "." + std::string(server));
  std::sort(wanted.begin(), wanted.end());
  if (segments_of(peeperd_.name()) != wanted) {
    std::string text;
    for (const std::string& name : segments_of(peeperd_.name())) text += " " + name;
    shared_.verdict.fail("wrong objects in /dev/shm:" + text);
  }
}

std::string Audit::fault_of_descriptors() const {
  const int daemon = peeperd_.daemon().pid();
  Descriptors wanted = descriptors_;
  const int missing = children_ - static_cast<int>(children_of(daemon).size());
  wanted[kPidfd] -= 2 * missing;
  wanted[kSocket] -= missing;
  wanted[kPipe] -= 2 * missing;  // of its stdout and stderr
  const Descriptors now = descriptors_of(daemon);
  if (now == wanted) return "";
  return "peeperd has " + to_text(now) + "; it had " + to_text(descriptors_) + ", with " +
         std::to_string(missing) + " standbys more";
}

void Audit::await_descriptors() {
  std::string fault;
  const bool came = await([&] { return (fault = fault_of_descriptors()).empty(); }, 30s);
  if (!came) shared_.verdict.fail(fault);
}

// What a peeperd says that finds what can't be: no callback hangs, and nobody writes at random.
void Audit::check_log() const {
  std::istringstream log{peeperd_.log()};
  for (std::string line; std::getline(log, line);)
    for (const char* word : {"in a callback for more than", "HUNG", "overwrote", "damaged",
                             "malformed", "messages dropped", "does not answer", "was removed"})
      if (line.find(word) != line.npos) shared_.verdict.fail("in the log: " + line);
}

void Audit::check_nothing_is_left() const {
  check_log();
  const auto left = of_instance(peeperd_.name());
  if (!left.empty()) shared_.verdict.fail("left running:" + names_of(left));
  for (const Relative& child : children_of(::getpid()))
    shared_.verdict.fail("a child is left:" + names_of({child}));
  if (segments_of(peeperd_.name()).size() != kServers.size())
    shared_.verdict.fail("after the stop there is not one segment for each server");
  if (std::filesystem::exists(peeperd_.socket()))
    shared_.verdict.fail("the socket is there after the stop");
}

}  // namespace peeper::torture
