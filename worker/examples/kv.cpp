// A small Redis: its commands for strings and for expiry, with its replies and its errors.
//
//   redis-cli -s peeperd.sock
//   > USE kv
//   > SET name Ada EX 60
//   > GET name
//
// Without USE: CALL kv SET name Ada. What Redis does with a command, and the order in which it
// finds fault with it, is taken over from Redis 7.0; KEYS and MGET can be as large as a reply may
// be (half of the mailbox).
#include <peeper/server.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kv_glob.hpp"
#include "kv_messages.hpp"
#include "kv_options.hpp"
#include "kv_store.hpp"

namespace kv {
namespace {

using peeper::Message;
using peeper::Value;

constexpr std::size_t kLongestValue = 512 * 1024 * 1024;

Value ok() { return peeper::status("OK"); }
Value not_an_integer() { return peeper::error("ERR value is not an integer or out of range"); }
Value syntax_error() { return peeper::error("ERR syntax error"); }
Value wrong_arguments(std::string_view command) {
  return peeper::error("ERR wrong number of arguments for '" + std::string(command) + "' command");
}
Value wrong_expire(std::string_view command) {
  return peeper::error("ERR invalid expire time in '" + std::string(command) + "' command");
}
Value text_or_null(const peeper::string* text) {
  return text == nullptr ? Value() : Value(std::string_view(*text));
}

struct Command;

struct Request {
  const Message& args;  // without the command's name
  Store& store;
  Milliseconds now;
  const Command& command;

  [[nodiscard]] std::string_view key() const { return args.arg(0); }
};

// What a command does to the store. Those that only read are run without a journal.
enum class Effect { kWrites, kReads };

struct Command {
  std::string_view name;
  int arity;  // with the name, as Redis counts; negative: at least
  Value (*run)(const Request&);
  Effect effect = Effect::kWrites;
  // Of the commands that come in pairs.
  std::int64_t factor = 1;
};

// --- SET -----------------------------------------------------------------------------------------

void put(const Request& request, std::string_view key, std::string_view value) {
  assign(at(request.store, key, request.now), value);
}

Value set(const Request& request) {
  SetOptions options;
  if (!options.read(request.args)) return syntax_error();
  std::optional<Milliseconds> until;
  if (options.unit != Unit::kNone) {
    const auto time = integer(options.time);
    if (!time) return not_an_integer();
    until = deadline_of(options, *time, request.now);
    if (!until) return wrong_expire(request.command.name);
  }
  const peeper::string* old = find_to_write(request.store, request.key(), request.now);
  const bool existed = old != nullptr;
  const Value answer = options.get ? text_or_null(old) : ok();
  if (options.nx ? existed : options.xx && !existed) return options.get ? answer : Value();
  put(request, request.key(), request.args.arg(1));
  if (until) {
    expire(request.store, request.key(), *until);
  } else if (!options.keep_ttl) {
    persist(request.store, request.key());
  }
  return answer;
}

// --- Values --------------------------------------------------------------------------------------

Value get(const Request& request) {
  return text_or_null(find(request.store, request.key(), request.now));
}

Value strlen(const Request& request) {
  const auto* value = find(request.store, request.key(), request.now);
  return value == nullptr ? 0 : value->size();
}

Value append(const Request& request) {
  const std::string_view more = request.args.arg(1);
  peeper::string& value = at(request.store, request.key(), request.now);
  if (more.size() > kLongestValue - std::min(value.size(), kLongestValue))
    return peeper::error("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
  // What was appended to will be appended to again: its room to grow stays.
  value.append(more.data(), more.size());
  return value.size();
}

Value mget(const Request& request) {
  std::vector<std::optional<std::string_view>> values;
  values.reserve(request.args.size());
  for (const std::string_view key : request.args) {
    const auto* value = find(request.store, key, request.now);
    values.emplace_back();
    if (value != nullptr) values.back() = *value;
  }
  return values;
}

Value mset(const Request& request) {
  if (request.args.size() % 2 != 0) return wrong_arguments(request.command.name);
  for (std::size_t i = 0; i < request.args.size(); i += 2) {
    put(request, request.args.arg(i), request.args.arg(i + 1));
    persist(request.store, request.args.arg(i));
  }
  return ok();
}

Value add(const Request& request, std::int64_t number) {
  const peeper::string* value = find_to_write(request.store, request.key(), request.now);
  const auto old = value == nullptr ? 0 : integer(*value);
  if (!old) return not_an_integer();
  const auto result = sum(*old, number);
  if (!result) return peeper::error("ERR increment or decrement would overflow");
  put(request, request.key(), std::to_string(*result));
  return *result;
}

Value incr(const Request& request) { return add(request, request.command.factor); }

Value incrby(const Request& request) {
  const auto number = integer(request.args.arg(1));
  if (!number) return not_an_integer();
  if (request.command.factor > 0) return add(request, *number);
  if (*number == std::numeric_limits<std::int64_t>::min())
    return peeper::error("ERR decrement would overflow");
  return add(request, -*number);
}

// --- Expiry --------------------------------------------------------------------------------------

Value expire(const Request& request) {
  ExpireOptions options;
  if (const std::string fault = options.read(request.args); !fault.empty())
    return peeper::error(fault);
  const auto time = integer(request.args.arg(1));
  if (!time) return not_an_integer();
  std::int64_t offset = 0;
  if (__builtin_mul_overflow(*time, request.command.factor, &offset))
    return wrong_expire(request.command.name);
  const auto when = sum(offset, request.now);
  if (!when) return wrong_expire(request.command.name);
  if (find_to_write(request.store, request.key(), request.now) == nullptr) return 0;
  if (!options.allow(deadline(request.store, request.key()), *when)) return 0;
  if (*when <= request.now) {
    erase(request.store, request.key(), request.now);
  } else {
    expire(request.store, request.key(), *when);
  }
  return 1;
}

Value ttl(const Request& request) {
  if (find(request.store, request.key(), request.now) == nullptr) return -2;
  const auto until = deadline(request.store, request.key());
  if (!until) return -1;
  const Milliseconds left = *until - request.now;
  return request.command.factor == 1 ? left : (left + 500) / 1000;
}

Value persist(const Request& request) {
  const bool exists = find_to_write(request.store, request.key(), request.now) != nullptr;
  return exists && persist(request.store, request.key()) ? 1 : 0;
}

// --- Keys ----------------------------------------------------------------------------------------

Value del(const Request& request) {
  std::int64_t count = 0;
  for (const std::string_view key : request.args) count += erase(request.store, key, request.now);
  return count;
}

Value exists(const Request& request) {
  return std::count_if(request.args.begin(), request.args.end(), [&](std::string_view key) {
    return find(request.store, key, request.now) != nullptr;
  });
}

Value keys(const Request& request) {
  std::vector<std::string_view> found;
  for (const auto& [key, value] : request.store.values)
    if (glob_matches(request.key(), key) && find(request.store, key, request.now) != nullptr)
      found.push_back(key);
  return found;
}

Value type(const Request& request) {
  const auto* value = find(request.store, request.key(), request.now);
  return peeper::status(value == nullptr ? "none" : "string");
}

Value dbsize(const Request& request) { return request.store.values.size(); }

Value flushall(const Request& request) {
  const bool known =
      request.args.empty() || (request.args.size() == 1 &&
                               (is_word(request.key(), "async") || is_word(request.key(), "sync")));
  if (!known) return syntax_error();
  request.store = Store{};
  return ok();
}

// Through CALL only: a PING of its own is answered by the daemon.
Value ping(const Request& request) {
  if (request.args.size() > 1) return wrong_arguments(request.command.name);
  return request.args.empty() ? peeper::status("PONG") : Value(request.key());
}

// --- What there is -------------------------------------------------------------------------------

constexpr std::array kCommands{
    Command{"get", 2, get, Effect::kReads},
    Command{"set", -3, set},
    Command{"incr", 2, incr},
    Command{"del", -2, del},
    Command{"exists", -2, exists, Effect::kReads},
    Command{"decr", 2, incr, Effect::kWrites, -1},
    Command{"incrby", 3, incrby},
    Command{"decrby", 3, incrby, Effect::kWrites, -1},
    Command{"append", 3, append},
    Command{"strlen", 2, strlen, Effect::kReads},
    Command{"mget", -2, mget, Effect::kReads},
    Command{"mset", -3, mset},
    Command{"expire", -3, expire, Effect::kWrites, 1000},
    Command{"pexpire", -3, expire},
    Command{"ttl", 2, ttl, Effect::kReads, 1000},
    Command{"pttl", 2, ttl, Effect::kReads},
    Command{"persist", 2, persist},
    Command{"keys", 2, keys, Effect::kReads},
    Command{"type", 2, type, Effect::kReads},
    Command{"dbsize", 1, dbsize},  // reads, but frees first some of what it should not count
    Command{"flushall", -1, flushall},
    Command{"ping", -1, ping, Effect::kReads},
};

static_assert(std::ranges::equal(kCommands, kMessages, {}, &Command::name,
                                 &peeper::MessageSpec::name),
              "kv_messages.hpp lists the commands in this order");

// Null when there is no such command.
const Command* find_command(std::string_view name) {
  const auto* const command =
      std::find_if(kCommands.begin(), kCommands.end(),
                   [&](const Command& candidate) { return is_word(name, candidate.name); });
  return command == kCommands.end() ? nullptr : command;
}

// "ERR unknown command 'foo', with args beginning with: 'bar' ", each part up to 128 bytes, and up
// to its first zero.
Value unknown_command(const Message& message) {
  constexpr std::size_t kMost = 128;
  const auto cut = [](std::string_view text, std::size_t most) {
    return std::string(text.substr(0, std::min(most, text.find('\0'))));
  };
  std::string args;
  for (const std::string_view arg : message) {
    if (args.size() >= kMost) break;
    args += "'" + cut(arg, kMost - args.size()) + "' ";
  }
  return peeper::error("ERR unknown command '" + cut(message.name(), kMost) +
                       "', with args beginning with: " + args);
}

struct Kv {
  using State = Store;

  static constexpr auto& messages = kMessages;

  static State init() { return {}; }

  static bool reads_only(const Message& message) {
    const Command* const command = find_command(message.name());
    return command == nullptr || command->effect == Effect::kReads;
  }

  static peeper::Result handle_call(const Message& message, State& store) {
    const Milliseconds now = std::chrono::duration_cast<std::chrono::milliseconds>(
                                 std::chrono::system_clock::now().time_since_epoch())
                                 .count();
    const Command* const command = find_command(message.name());
    // Expired keys are freed by messages that write: for the others the store is read-only.
    if (command != nullptr && command->effect == Effect::kWrites) sweep(store, now);
    if (command == nullptr) return unknown_command(message);
    const auto count = static_cast<int>(message.size()) + 1;
    if (command->arity >= 0 ? count != command->arity : count < -command->arity)
      return wrong_arguments(command->name);
    return command->run({message, store, now, *command});
  }

  // KEY VALUE ...: these, and no others.
  static peeper::Result replace_state(const Message& values, Store& store) {
    if (values.size() % 2 != 0)
      return peeper::error("BADARG kv's state is keys and values by turns");
    store = Store{};
    for (std::size_t i = 0; i < values.size(); i += 2)
      assign(at(store, values.arg(i), 0), values.arg(i + 1));
    return ok();
  }

  // Casts and infos do the same; nobody waits for the answer.
  static void handle_cast(const Message& message, State& store) {
    (void)handle_call(message, store);
  }
  static void handle_info(const Message& message, State& store) {
    (void)handle_call(message, store);
  }
};

}  // namespace
}  // namespace kv

PEEPER_SERVER(kv::Kv)
