#include "common/limits.hpp"
#include "daemon/cli/option_parts.hpp"

namespace peeper::cli {
namespace {

// --delay MS
void add_delay(CLI::App* command, Fields& fields, int least_ms, const char* what) {
  CLI::Range range(least_ms, 3'600'000);
  range.description("");
  command->add_option("-d,--delay", fields.delay_ms, what)
      ->check(range)
      ->type_name("MS");
}

void add_on_or_off(CLI::App* command, Fields& fields, const char* text) {
  CLI::IsMember words({"on", "off"});
  words.description("");  // the help says so
  command->add_option("on|off", fields.on_or_off, text)->check(words)->type_name("");
}

}  // namespace

void add_inspection(CLI::App& app, Fields& fields) {
  add_verb(app, fields, Verb::kList, "ls", "List the servers",
           "KEEPER, WORKER and STANDBY are process ids, UP is how long the worker runs, INC\n"
           "how many there have been, MAIL the messages waiting; CALLS/S and P99 are of the\n"
           "last ten seconds, as far as the calls went through peeperd (not a client's own\n"
           "channel).\n"
           "Example: peeper ls\n"
           "         peeper --json ls | jq -r '.[].server'");
  CLI::App* top =
      add_verb(app, fields, Verb::kTop, "top", "Watch the servers, live",
               "Keys: c calls/s, p p99, m mailbox, x crashes, u uptime, n name, t as a\n"
               "tree; up and down, enter to open one, escape back, q ends.\n"
               "Example: peeper top");
  add_delay(top, fields, 100, "between two looks (default 1000)");
  add_verb(app, fields, Verb::kMetrics, "metrics", "Print all counts, as Prometheus reads them",
           "'metrics' in the configuration gives them over HTTP as well.\n"
           "Example: peeper metrics | grep peeper_calls_total");
  CLI::App* state = add_server_verb(
      app, fields, Verb::kState, "state",
      "Print a server's state after its last committed message",
      "Also of one that hangs, is suspended or is down. PATH leads to a\n"
      "part of it: names, indices from 0 and keys, with dots between them; what\n"
      "has a dot or a quote itself is quoted, as in hosts.\"a.b\".port\n"
      "Example: peeper state counter\n"
      "         peeper state bank accounts.42\n"
      "         peeper --json state shop items.3.name");
  state->add_option("PATH", fields.path, "only this part of it")->type_name("");
  CLI::App* watch = add_server_verb(
      app, fields, Verb::kWatch, "watch",
      "Print a server's state, then what changes of it",
      "Also why a worker ended. Changes that come faster are shown together, and how\n"
      "many they were is said. With --json one document a change, in lines.\n"
      "Example: peeper watch counter");
  add_delay(watch, fields, 1, "at least between two changes shown (default 100)");
  add_server_verb(
      app, fields, Verb::kStatus, "status", "Print all that is known about a server",
      "Example: peeper status counter");
}

void add_debugging(CLI::App& app, Fields& fields) {
  CLI::App* stats = add_server_verb(
      app, fields, Verb::kStatistics, "stats",
      "Print a server's counts of messages, replies and crashes",
      "They are off, and then no_statistics, until somebody wants them.\n"
      "Example: peeper stats counter on\n"
      "         peeper stats counter");
  add_on_or_off(stats, fields, "begin or end counting");
  CLI::App* trace = add_server_verb(
      app, fields, Verb::kTrace, "trace",
      "Print a server's messages, replies, crashes and starts, live, or log them",
      "Live until Ctrl-C: a thousand a second at most, and how many more there\n"
      "were. With on or off they are in peeperd's log, at level info, and begin\n"
      "with *DBG*. What goes through a client's own channel isn't seen.\n"
      "Example: peeper trace counter\n"
      "         peeper trace counter on");
  add_on_or_off(trace, fields, "begin or end logging");
}

void add_log(CLI::App& app, Fields& fields) {
  CLI::App* log =
      add_verb(app, fields, Verb::kLog, "log",
               "Print the last lines that a server's workers wrote to stdout and stderr",
               "Of each server peeperd keeps the last ones, up to 256 KB, as long as it runs; in\n"
               "its own log they stand as well. The number behind # is the worker's incarnation.\n"
               "With --json each line is a document.\n"
               "Example: peeper log counter\n"
               "         peeper log -f -n 0");
  log->add_flag("-f,--follow", fields.options.log.follow,
                "then go on with what they write, until Ctrl-C");
  CLI::Range lines(std::uint64_t{0}, std::uint64_t{limits::kMostOutputLines});
  lines.description("");
  log->add_option("-n,--lines", fields.options.log.lines, "how many (default 100, at most 1024)")
      ->check(lines)
      ->type_name("LINES");
  log->add_option("SERVER", fields.server, "only of this server")->type_name("");
}

}  // namespace peeper::cli
