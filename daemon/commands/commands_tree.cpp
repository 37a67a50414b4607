// SUPERVISOR and SYS: the tree and its servers.
#include "common/limits.hpp"
#include "daemon/commands/commands.hpp"
#include "daemon/config/load.hpp"
#include "daemon/config/process_rights.hpp"
#include "daemon/config/words.hpp"
#include "daemon/metrics/exposition.hpp"
#include "daemon/values/command_text.hpp"

namespace peeper::daemon {

namespace {

MapValue child_map(Server& server, const Server::Facts& facts) {
  MapValue map;
  map.text("server", server.name())
      .text("state", facts.state)
      .number_or_null("worker", facts.worker_pid)
      .number_or_null("keeper", facts.keeper_pid)
      .number_or_null("standby", facts.standby_pid)
      .number_or_null("observer", facts.observer_pid)
      .number("incarnation", facts.incarnation)
      .number("crashes", static_cast<std::int64_t>(facts.crashes))
      .number("mailbox", static_cast<std::int64_t>(facts.mailbox))
      .boolean("in_message", facts.in_message)
      .number("uptime_ms", facts.uptime.count())
      .real("calls_per_second", facts.calls_per_second)
      .number("p99_us", static_cast<std::int64_t>(facts.p99_ns / 1000))
      .text("behaviour", server.behaviour())
      .text("restart", config::to_word(server.section().restart))
      .boolean("significant", server.section().significant)
      .text("group", server.section().group);
  return map;
}

// The same words, as far as they mean something.
MapValue group_map(const SupervisionTree::Child& group) {
  MapValue map;
  map.text("group_name", group.name)
      .text("state", group.state)
      .text("strategy", config::to_word(group.strategy))
      .text("restart", config::to_word(group.restart))
      .boolean("significant", group.significant)
      .text("group", group.group);
  return map;
}

}  // namespace

void Commands::which_children(Session& session, const std::string& group) {
  const std::vector<SupervisionTree::Child> children = tree_->which_children(group);
  std::string value;
  resp::append_array(value, children.size());
  for (const SupervisionTree::Child& child : children)
    value += child.server == nullptr ? group_map(child).take()
                                     : child_map(*child.server, child.server->facts()).take();
  session.reply(value);
}

void Commands::count_children(Session& session, const std::string& group) {
  const SupervisionTree::Counts counts = tree_->count_children(group);
  session.reply(MapValue{}
                    .number("specs", static_cast<std::int64_t>(counts.specs))
                    .number("active", static_cast<std::int64_t>(counts.active))
                    .number("supervisors", static_cast<std::int64_t>(counts.supervisors))
                    .number("workers", static_cast<std::int64_t>(counts.workers))
                    .take());
}

void Commands::start_child(Session& session, std::string_view toml) {
  config::Loaded loaded = config::parse_child(toml, tree_->config());
  if (loaded.mistakes.empty())
    loaded.mistakes = config::settle_processes(loaded.config.servers);
  if (loaded.mistakes.empty())
    return tree_->start_child(loaded.config.servers.back(), session.reserve_reply());
  std::string all;
  for (const config::Mistake& mistake : loaded.mistakes)
    all += (all.empty() ? "" : "; ") + config::describe("START_CHILD", mistake);
  session.reply(error_value("BADARG " + all));
}

Outcome Commands::supervisor(Session& session, Arguments arguments, Instant) {
  const std::string_view verb = arguments[1];
  const std::string name{arguments.size() == 3 ? arguments[2] : std::string_view{}};
  const bool is_question = same_word(verb, "WHICH_CHILDREN") || same_word(verb, "COUNT_CHILDREN");
  if (is_question && arguments.size() <= 3) {
    if (!name.empty() && !tree_->has_group(name))
      session.reply(error_value("NOSERVER there is no group " + daemon::quoted(name)));
    else if (same_word(verb, "WHICH_CHILDREN"))
      which_children(session, name);
    else
      count_children(session, name);
  } else if (same_word(verb, "START_CHILD") && arguments.size() == 3) {
    start_child(session, arguments[2]);
  } else if (same_word(verb, "TERMINATE_CHILD") && arguments.size() == 3) {
    tree_->terminate_child(name, session.reserve_reply());
  } else if (same_word(verb, "RESTART_CHILD") && arguments.size() == 3) {
    tree_->restart_child(name, session.reserve_reply());
  } else if (same_word(verb, "DELETE_CHILD") && arguments.size() == 3) {
    tree_->delete_child(name, session.reserve_reply());
  } else if (same_word(verb, "RELOAD") && arguments.size() == 2) {
    reload_(session.reserve_reply());
  } else {
    session.reply(usage("SUPERVISOR WHICH_CHILDREN [group] | COUNT_CHILDREN [group] | "
                        "START_CHILD toml | TERMINATE_CHILD name | RESTART_CHILD name | "
                        "DELETE_CHILD name | RELOAD"));
  }
  return Outcome::kDone;
}

Outcome Commands::sys(Session& session, Arguments arguments, Instant start) {
  const std::string_view verb = arguments[1];
  if (same_word(verb, "CRASHES")) return sys_crashes(session, arguments);
  if (same_word(verb, "METRICS") && arguments.size() == 2) return sys_metrics(session);
  if (same_word(verb, "SEGMENTS")) return sys_segments(session, arguments);
  if (arguments.size() < 3) {
    session.reply(error_value("ERR wrong number of arguments for 'sys' command"));
    return Outcome::kDone;
  }
  if (same_word(verb, "DEADLETTERS")) return sys_dead_letters(session, arguments);
  if (same_word(verb, "GET_STATE") && arguments.size() <= 4)
    return sys_get_state(session, arguments);
  if (same_word(verb, "GET_STATUS") && arguments.size() == 3)
    return sys_get_status(session, arguments);
  if (same_word(verb, "KILL") && arguments.size() <= 5) return sys_kill(session, arguments);
  if ((same_word(verb, "SUSPEND") || same_word(verb, "RESUME")) && arguments.size() == 3)
    return sys_suspend(session, arguments);
  if (same_word(verb, "REPLACE_STATE") && arguments.size() >= 4)
    return sys_replace_state(session, arguments, start);
  if (same_word(verb, "MESSAGES") && arguments.size() == 3)
    return sys_messages(session, arguments);
  if (same_word(verb, "CHANGE_CODE")) return sys_change_code(session, arguments);
  if (same_word(verb, "TRACE")) return sys_trace(session, arguments);
  if (same_word(verb, "STATISTICS")) return sys_statistics(session, arguments);
  if (same_word(verb, "LOG")) return sys_log(session, arguments);
  if (same_word(verb, "OUTPUT")) return sys_output(session, arguments);
  session.reply(usage("SYS GET_STATE server [path] | SYS GET_STATUS server | SYS KILL server "
                      "[worker|keeper|standby] [SIGNAL] | SYS SUSPEND server | SYS RESUME server | "
                      "SYS REPLACE_STATE server value [value ...] | "
                      "SYS CHANGE_CODE server path [TIMEOUT ms] | SYS MESSAGES server | "
                      "SYS TRACE server on|off | "
                      "SYS STATISTICS server [on|off] | SYS LOG server [on|off|events] | "
                      "SYS METRICS | "
                      "SYS OUTPUT server|* [lines] | "
                      "SYS CRASHES [server [SHOW number]] | "
                      "SYS DEADLETTERS LIST|SHOW|RETRY|DROP server [number|ALL] | "
                      "SYS SEGMENTS [PRUNE]"));
  return Outcome::kDone;
}

Outcome Commands::sys_get_state(Session& session, Arguments arguments) {
  const std::string_view path = arguments.size() == 4 ? arguments[3] : std::string_view{};
  Server* server = servers_.find(arguments[2]);
  if (server == nullptr)
    session.reply(no_server(arguments[2]));
  else if (path.size() > limits::kStatePathBytes || path.find('\0') != path.npos)
    session.reply(error_value("BADARG a path has at most " +
                              std::to_string(limits::kStatePathBytes) +
                              " bytes, and none of them is zero"));
  else
    server->get_state(std::string(path), session.reserve_reply());
  return Outcome::kDone;
}

Outcome Commands::sys_get_status(Session& session, Arguments arguments) {
  Server* server = servers_.find(arguments[2]);
  if (server == nullptr) {
    session.reply(no_server(arguments[2]));
    return Outcome::kDone;
  }
  const auto& section = server->section();
  const Server::Facts facts = server->facts();
  MapValue map = child_map(*server, facts);
  map.text("library", server->library().string())
      .number("calls_waiting", static_cast<std::int64_t>(facts.calls))
      .number("calls_skipped", static_cast<std::int64_t>(facts.skipped))
      .number("calls", static_cast<std::int64_t>(server->traffic().calls))
      .number("casts", static_cast<std::int64_t>(server->traffic().casts))
      .number("infos", static_cast<std::int64_t>(server->traffic().infos))
      .number("p50_us", static_cast<std::int64_t>(server->traffic().durations.quantile(0.5) / 1000))
      .number("channels", static_cast<std::int64_t>(facts.channels))
      .number("outgoing_waiting", static_cast<std::int64_t>(facts.outgoing))
      .number("outgoing_dropped", static_cast<std::int64_t>(facts.dropped))
      .number("sequence", static_cast<std::int64_t>(facts.sequence))
      .number("state_size", static_cast<std::int64_t>(section.state_bytes))
      .number("heap_reserved", static_cast<std::int64_t>(facts.heap_reserved))
      .number("heap_used", static_cast<std::int64_t>(facts.heap_used))
      .number("heap_high_water", static_cast<std::int64_t>(facts.heap_high_water))
      .number("journal_faults", static_cast<std::int64_t>(facts.journal_faults))
      .number("journal_copies", static_cast<std::int64_t>(facts.journal_copies))
      .number("hot_pages", static_cast<std::int64_t>(facts.hot_pages))
      .number("break_even", static_cast<std::int64_t>(facts.break_even))
      .number("mailbox_size", static_cast<std::int64_t>(section.mailbox_bytes))
      .number("dead_letters", static_cast<std::int64_t>(facts.letters))
      .number("dead_letters_lost", static_cast<std::int64_t>(facts.lost))
      .text("segment", segment::SegmentId{facts_.instance, server->name()}.path())
      .text("last_crash", facts.last_crash)
      .text("down", facts.state == "down" ? server->down_text() : "")
      .number_or_null("comes_back_in_ms", facts.comes_back_in ? facts.comes_back_in->count() : 0);
  if (const KeeperListeners* listeners = server->listeners())
    map.value("listeners", listeners->value());
  session.reply(map.take());
  return Outcome::kDone;
}

Outcome Commands::sys_metrics(Session& session) {
  session.reply(bulk_value(exposition(facts_, servers_)));
  return Outcome::kDone;
}

Outcome Commands::sys_kill(Session& session, Arguments arguments) {
  Server* server = servers_.find(arguments[2]);
  if (server == nullptr) {
    session.reply(no_server(arguments[2]));
    return Outcome::kDone;
  }
  Role role = Role::kWorker;
  std::string_view who = "worker";
  std::string_view signal_word = "KILL";
  Arguments rest = arguments.subspan(3);
  static constexpr std::pair<std::string_view, Role> kRoles[] = {
      {"worker", Role::kWorker}, {"keeper", Role::kKeeper}, {"standby", Role::kStandby}};
  for (const auto& [word, of_word] : kRoles) {
    if (rest.empty() || !same_word(rest[0], word)) continue;
    role = of_word;
    who = word;
    rest = rest.subspan(1);
    break;
  }
  if (!rest.empty()) signal_word = rest[0];
  const int number = segment::signal_number(signal_word);
  if (rest.size() > 1 || number == 0)
    session.reply(error_value("BADARG no signal " + quoted(signal_word) +
                              "; usage: SYS KILL server [worker|keeper|standby] [SIGNAL]"));
  else if (!server->signal(role, number))
    session.reply(error_value("DOWN " + server->name() + ": it has no " + std::string(who) +
                              " now"));
  else
    session.reply(status_value("OK"));
  return Outcome::kDone;
}

}  // namespace peeper::daemon
