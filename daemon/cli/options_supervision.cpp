#include "daemon/cli/option_parts.hpp"

namespace peeper::cli {
namespace {

void add_tree_orders(CLI::App& app, Fields& fields) {
  const auto add = [&](Verb verb, const char* name, const char* text, const char* more) {
    CLI::App* command = add_verb(app, fields, verb, name, text, more);
    add_word(command, "NAME", fields.server, "a server's name, or a group's");
  };
  add(Verb::kStart, "start", "Start a server or a group that is stopped or down",
      "Example: peeper start counter");
  add(Verb::kStop, "stop", "Stop a server or a group: it ends in order, and stays down",
      "The state is kept. Who calls it gets DOWN, or waits if its when_down is \"queue\".\n"
      "Example: peeper stop counter");
  add(Verb::kRestart, "restart", "Stop a server or a group, if it runs, and start it",
      "Messages that wait are handled after that.\n"
      "Example: peeper restart counter");
  add_verb(app, fields, Verb::kReload, "reload", "Let peeperd read its configuration again",
           "Only what has changed is started, stopped or restarted; a file with mistakes changes\n"
           "nothing. SIGHUP to peeperd does the same, and says so in its log only.\n"
           "Example: peeper reload");
}

void add_suspension(CLI::App& app, Fields& fields) {
  add_server_verb(
      app, fields, Verb::kSuspend, "suspend",
      "Let a server handle no messages until it is resumed",
      "OK once the callback in hand has ended. Messages wait in the mailbox meanwhile;\n"
      "calls may time out. callback_timeout doesn't count. A worker that crashes or is\n"
      "restarted is followed by one that isn't suspended.\n"
      "Example: peeper suspend counter");
  add_server_verb(
      app, fields, Verb::kResume, "resume",
      "Let a suspended server handle its messages again",
      "Example: peeper resume counter");
}

void add_upgrade(CLI::App& app, Fields& fields) {
  CLI::App* upgrade = add_server_verb(
      app, fields, Verb::kUpgrade, "upgrade",
      "Run other code for a server's state (code_change)",
      "Messages wait meanwhile. If the new code fails at its start, the old goes on.\n"
      "PATH is what 'behaviour' could be in the configuration: a name, or a path that\n"
      "is relative to the configuration's directory. The configuration should say the\n"
      "same before peeperd is started again.\n"
      "Example: peeper upgrade counter ./counter-2.so");
  add_word(upgrade, "PATH", fields.path, "the new behaviour");
  add_milliseconds(*upgrade, fields.call_timeout_ms,
                   "how long the old code may take to end, and the\n"
                   "new one to start (default 5000)");
}

void add_kill(CLI::App& app, Fields& fields) {
  CLI::App* kill = add_server_verb(
      app, fields, Verb::kKill, "kill",
      "Kill one of a server's processes, to see it come back",
      "Example: peeper kill counter\n"
      "         peeper kill counter keeper SIGTERM");
  kill->add_option("PROCESS", fields.process, "worker (if not given), keeper or standby")
      ->type_name("");
  kill->add_option("SIGNAL", fields.signal, "by name, such as SIGSEGV (if not given, SIGKILL)")
      ->type_name("");
}

}  // namespace

void add_supervision(CLI::App& app, Fields& fields) {
  add_tree_orders(app, fields);
  add_suspension(app, fields);
  add_upgrade(app, fields);
  add_kill(app, fields);
}

}  // namespace peeper::cli
