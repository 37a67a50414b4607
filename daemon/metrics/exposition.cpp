#include "daemon/metrics/exposition.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <vector>

#include "common/clock.hpp"
#include "daemon/metrics/prometheus.hpp"

namespace peeper::daemon {
namespace {

using Label = PrometheusText::Label;

struct One {
  const Server* server;
  Server::Facts facts;
};

constexpr std::string_view kStates[] = {"starting",   "running",   "suspended", "recovering",
                                        "restarting", "upgrading", "down",      "stopping"};

// One sample a server.
template <class Value>
void each(PrometheusText& text, const std::vector<One>& all, std::string_view name,
          std::string_view type, std::string_view help, Value value) {
  text.family(name, type, help);
  for (const One& one : all) text.sample({{"server", one.server->name()}}, value(one));
}

void add_messages(PrometheusText& text, const std::vector<One>& all) {
  each(text, all, "peeper_calls_total", "counter", "Calls accepted from sockets and other servers.",
       [](const One& one) { return one.server->traffic().calls; });
  each(text, all, "peeper_casts_total", "counter", "Casts accepted.",
       [](const One& one) { return one.server->traffic().casts; });
  each(text, all, "peeper_infos_total", "counter", "Other messages accepted.",
       [](const One& one) { return one.server->traffic().infos; });
  text.family("peeper_errors_total", "counter",
              "Errors that clients were answered, by their first word.");
  for (const One& one : all)
    for (std::size_t i = 0; i < kErrorKinds.size(); ++i)
      text.sample({{"server", one.server->name()}, {"kind", kErrorKinds[i]}},
                  one.server->traffic().errors[i]);
  text.family("peeper_call_duration_seconds", "histogram",
              "From the reading of a call to its reply, errors included.");
  for (const One& one : all) text.histogram(one.server->name(), one.server->traffic().durations);
  each(text, all, "peeper_calls_waiting", "gauge", "Calls without a reply.",
       [](const One& one) { return std::uint64_t{one.facts.calls}; });
  each(text, all, "peeper_calls_skipped_total", "counter",
       "Calls that were late and not handled, as late_calls says.",
       [](const One& one) { return one.facts.skipped; });
  each(text, all, "peeper_mailbox_messages", "gauge", "Messages accepted and not committed.",
       [](const One& one) { return std::uint64_t{one.facts.mailbox}; });
  each(text, all, "peeper_outgoing_waiting", "gauge",
       "Messages to other servers that have not arrived.",
       [](const One& one) { return std::uint64_t{one.facts.outgoing}; });
  each(text, all, "peeper_dead_letters", "gauge", "Dead letters that are kept.",
       [](const One& one) { return std::uint64_t{one.facts.letters}; });
  each(text, all, "peeper_channels", "gauge", "Clients' own channels that are open.",
       [](const One& one) { return std::uint64_t{one.facts.channels}; });
}

void add_processes(PrometheusText& text, const std::vector<One>& all) {
  text.family("peeper_server_state", "gauge", "1 for the state that a server is in.");
  for (const One& one : all)
    for (const std::string_view state : kStates)
      text.sample({{"server", one.server->name()}, {"state", state}},
                  std::uint64_t{one.facts.state == state ? 1U : 0U});
  text.family("peeper_crashes_total", "counter", "Workers that crashed, by cause.");
  for (const One& one : all)
    for (const auto& [cause, count] : one.server->traffic().crashes)
      text.sample({{"server", one.server->name()}, {"cause", cause}}, count);
  each(text, all, "peeper_worker_starts_total", "counter", "Workers that began, the first included.",
       [](const One& one) { return one.server->traffic().starts; });
  each(text, all, "peeper_incarnation", "gauge", "How often a worker has begun since the segment was made.",
       [](const One& one) { return std::uint64_t{one.facts.incarnation}; });
  each(text, all, "peeper_worker_uptime_seconds", "gauge", "Since the worker was ready.",
       [](const One& one) { return static_cast<double>(one.facts.uptime.count()) / 1e3; });
}

void add_state(PrometheusText& text, const std::vector<One>& all) {
  each(text, all, "peeper_commits_total", "counter",
       "Transactions committed since the segment was made.",
       [](const One& one) { return one.facts.sequence; });
  each(text, all, "peeper_state_writes_total", "counter",
       "Transactions open for writing the state, since peeperd was started.",
       [](const One& one) { return one.facts.state_writes; });
  each(text, all, "peeper_state_changes_total", "counter",
       "Of those, the ones that left it other than it was.",
       [](const One& one) { return one.facts.state_changes; });
  text.family("peeper_commit_seconds", "summary",
              "What committing takes, of each 64th transaction of this worker.");
  for (const One& one : all)
    text.summary(one.server->name(), one.facts.commits_timed, one.facts.commit_ns);
  each(text, all, "peeper_journal_faulted_pages_total", "counter",
       "Protected pages that this worker's messages wrote first.",
       [](const One& one) { return one.facts.journal_faults; });
  each(text, all, "peeper_journal_copied_pages_total", "counter",
       "Hot pages that were saved before this worker's messages.",
       [](const One& one) { return one.facts.journal_copies; });
  each(text, all, "peeper_hot_pages", "gauge", "Pages that are copied before each message.",
       [](const One& one) { return one.facts.hot_pages; });
  each(text, all, "peeper_heap_used_bytes", "gauge", "Of the heap, what the state takes.",
       [](const One& one) { return one.facts.heap_used; });
  each(text, all, "peeper_heap_reserved_bytes", "gauge", "Of the heap, what has memory.",
       [](const One& one) { return one.facts.heap_reserved; });
  each(text, all, "peeper_heap_limit_bytes", "gauge", "state_size.",
       [](const One& one) { return std::uint64_t{one.server->section().state_bytes}; });
}

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

std::uint64_t resident_bytes() {
  std::ifstream file{"/proc/self/statm"};
  std::uint64_t pages = 0;
  file >> pages >> pages;
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

void add_daemon(PrometheusText& text, DaemonFacts& facts) {
  const auto one = [&](std::string_view name, std::string_view type, std::string_view help,
                       auto value) {
    text.family(name, type, help);
    text.sample({}, value);
  };
  text.family("peeper_build_info", "gauge", "1; the version is its label.");
  text.sample({{"version", facts.version}}, std::uint64_t{1});
  one("peeper_connections", "gauge", "Clients that are connected.", facts.connections);
  one("peeper_connections_total", "counter", "Clients that were ever connected.",
      facts.connections_received);
  one("peeper_commands_total", "counter", "Commands that clients have sent.", facts.commands);
  one("peeper_received_bytes_total", "counter", "Read from clients.", facts.received_bytes);
  one("peeper_sent_bytes_total", "counter", "Written to clients.", facts.sent_bytes);
  text.family("peeper_loop_turn_seconds", "histogram",
              "Turns of peeperd's loop: so long others had to wait for theirs.");
  text.histogram("", facts.turns);
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  one("process_cpu_seconds_total", "counter", "Of peeperd itself.",
      seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime));
  one("process_resident_memory_bytes", "gauge", "Of peeperd itself, with the rings it maps.",
      resident_bytes());
  one("process_open_fds", "gauge", "Of peeperd itself.",
      facts.open_files.count(now_ns()));
  one("process_start_time_seconds", "gauge", "Since 1970.",
      std::chrono::duration<double>(facts.started_at.time_since_epoch()).count());
}

}  // namespace

std::string exposition(DaemonFacts& facts, const Servers& servers) {
  PrometheusText text;
  std::vector<One> all;
  for (const auto& server : servers.all()) all.push_back({server.get(), server->facts()});
  add_daemon(text, facts);
  add_processes(text, all);
  add_messages(text, all);
  add_state(text, all);
  return std::move(text).take();
}

}  // namespace peeper::daemon
