#include "caller.hpp"

#include <chrono>
#include <thread>

#include "instance.hpp"
#include "servers.hpp"

namespace peeper::torture {

using test::text_of;
using namespace std::chrono_literals;

namespace {

// Of one try; longer than anybody is stopped.
constexpr std::chrono::seconds kTimeout{10};
// Until a message must be settled, however often everything dies meanwhile.
constexpr std::chrono::seconds kPatience{90};
constexpr std::chrono::milliseconds kPauseWhenDown{5};
constexpr std::size_t kMostOrders = 8;
constexpr std::uint32_t kTexts = 8;
// Of a slow callback of a tally, in microseconds: so that some die in the middle of one.
constexpr std::uint32_t kSlowest = 4'000;

bool starts(const resp::Reply& reply, std::string_view code) {
  return reply.is_error() && reply.text.starts_with(code);
}

}  // namespace

Caller::Caller(Who who, Shared& shared)
    : who_(std::move(who)),
      shared_(shared),
      random_(who_.seed + static_cast<std::uint32_t>(who_.number) * 7919) {}

std::string Caller::own(std::string_view name) const {
  return std::string(name) + std::to_string(who_.number);
}

bool Caller::connect() {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!client_ && !shared_.verdict.has_failed()) {
    auto client = Client::connect({.socket = who_.socket,
                                   .timeout = kTimeout,
                                   .longest_pause = 100ms});
    if (client) {
      client_.emplace(*std::move(client));
    } else if (std::chrono::steady_clock::now() > deadline) {
      shared_.verdict.fail(own("client ") + " can't connect: " + client.error().what);
    } else {
      std::this_thread::sleep_for(5ms);
    }
  }
  return client_.has_value();
}

void Caller::work(const std::atomic<bool>& stop) {
  while (!stop && !shared_.verdict.has_failed() && connect()) step();
}

void Caller::step() {
  switch (below(16)) {
    case 0:
    case 1:
    case 2: return click();
    case 3:
    case 4:
    case 5:
    case 6: return vote();
    case 7:
    case 8:
    case 9: return use_hub();
    case 10:
    case 11: return use_ledger(kBank, bank_);
    case 12: return use_ledger(kTill, till_);
    default: return use_store();
  }
}

// --- Settling ------------------------------------------------------------------------------------

Caller::Try Caller::attempt(const Command& command) {
  const std::uint64_t deaths = shared_.daemon_deaths;
  Result<resp::Reply> reply = client_->run(command);
  const bool same = deaths % 2 == 0 && deaths == shared_.daemon_deaths;
  return {std::move(reply), same};
}

std::optional<resp::Reply> Caller::settle(Command command, After after) {
  command.set_token(client_->new_token());
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  bool was_sent_once = true;
  for (bool is_first = true; !shared_.verdict.has_failed(); is_first = false) {
    if (!is_first) ++shared_.figures.repeated;
    Try tried = attempt(command);
    // After -CRASHED it was undone, so the next try is as good as the first.
    was_sent_once = was_sent_once && tried.was_sent_once;
    if (tried.reply && !tried.was_sent_once) ++shared_.figures.outlived;
    if (!tried.reply) {
      was_sent_once = false;
      if (tried.reply.error().system_error == EPROTO)
        shared_.verdict.fail(own("client ") + " got garbage: " + tried.reply.error().what);
    } else if (starts(*tried.reply, "CRASHED ")) {
      ++shared_.figures.crashed;
      if (after == After::kNever)
        shared_.verdict.fail(own("client ") + ", a server that drops nothing: " +
                             tried.reply->text);
      ++shared_.figures.undone;
      if (was_sent_once && after == After::kMayLetBe && below(2) == 0) {
        ++shared_.figures.let_be;
        return std::nullopt;
      }
    } else if (starts(*tried.reply, "DOWN ") || starts(*tried.reply, "TIMEOUT ")) {
      was_sent_once = false;
      ++(starts(*tried.reply, "DOWN ") ? shared_.figures.down : shared_.figures.timeouts);
      std::this_thread::sleep_for(kPauseWhenDown);
    } else {
      ++shared_.figures.messages;
      return *std::move(tried.reply);
    }
    if (std::chrono::steady_clock::now() > deadline)
      shared_.verdict.fail(own("client ") + " has no answer after " +
                           std::to_string(kPatience.count()) +
                           " s; the last was: " + text_of(tried.reply));
  }
  return std::nullopt;
}

void Caller::crash(Command command) {
  command.set_token(client_->new_token());
  for (int tries = 0; tries < 100 && !shared_.verdict.has_failed(); ++tries) {
    const Try tried = attempt(command);
    if (!tried.reply) continue;
    if (starts(*tried.reply, "CRASHED ")) {
      ++shared_.figures.crashed;
      return;
    }
    if (!starts(*tried.reply, "DOWN ") && !starts(*tried.reply, "TIMEOUT "))
      return shared_.verdict.fail(own("client ") + ": a callback that crashes was answered " +
                                  text_of(tried.reply));
    std::this_thread::sleep_for(kPauseWhenDown);
  }
}

void Caller::expect(const std::optional<resp::Reply>& reply, const std::string& wanted,
                    const std::string& what) {
  if (!reply) return;
  const std::string got = text_of(*reply);
  if (got != wanted)
    shared_.verdict.fail(own("client ") + ", " + what + ": '" + got + "', not '" + wanted + "'");
}

void Caller::demand(Command command, const std::string& wanted, const std::string& what) {
  if (connect()) expect(settle(std::move(command), After::kRepeat), wanted, what);
}

// --- clicks, votes, hub --------------------------------------------------------------------------

void Caller::click() {
  if (below(64) == 0) {
    constexpr std::string_view kWays[] = {"inc_then_segv", "inc_then_abort", "inc_then_raise"};
    return crash(Command::call(kClicks, kWays[below(3)]));
  }
  if (below(4) == 0) {
    const auto reply = settle(Command::call(kClicks, "inc_then_hang", 1 + below(5)));
    if (reply) ++slow_clicks_;
    return expect(reply, "OK", "a slow click");
  }
  const auto reply = settle(Command::call(kClicks, "inc"));
  if (!reply) return;
  const std::int64_t last = clicks_.empty() ? 0 : clicks_.back();
  if (reply->type != resp::Reply::Type::kInteger || reply->integer <= last)
    return shared_.verdict.fail(own("client ") + ", clicks: " + text_of(*reply) + " after " +
                                std::to_string(last));
  clicks_.push_back(reply->integer);
}

void Caller::vote() {
  const std::int64_t number = votes_ + 1;
  const std::string series = own("vote");
  // An accepted cast is applied, whoever dies: it is counted as soon as it is.
  const bool is_call = below(2) == 0;
  const std::uint32_t slowness = below(8) == 0 ? below(kSlowest) : 0;
  const auto reply = settle(is_call ? Command::call(kVotes, "count", series, number, slowness)
                                    : Command::cast(kVotes, "count", series, number, slowness),
                            After::kNever);
  if (!reply) return;
  votes_ = number;
  expect(reply, is_call ? series + " " + std::to_string(number) : "OK", "votes");
}

void Caller::use_hub() {
  const std::uint32_t draw = below(3);
  std::int64_t& last = draw == 0 ? relays_ : draw == 1 ? asks_ : timers_;
  const std::int64_t number = last + 1;
  const auto reply = settle(
      draw == 0   ? Command::call(kHub, "relay", kVotes, own("relay"), number)
      : draw == 1 ? Command::call(kHub, "ask", kVotes, own("ask"), number)
                  : Command::call(kHub, "later", own("timer"), number, below(kSlowest)),
      After::kNever);
  if (!reply) return;
  last = number;
  expect(reply, "OK", "hub");
}

// --- Ledgers -------------------------------------------------------------------------------------

void Caller::open_accounts() {
  for (const std::string_view server : {kBank, kTill})
    for (std::size_t i = 0; i < 2; ++i)
      demand(Command::call(server, "open", account(i), "client", kOpened / 2), "OK", "open");
}

void Caller::use_ledger(std::string_view server, Account& its) {
  const std::uint32_t draw = below(64);
  if (draw == 0) {
    const std::size_t from = its.balances[0] == 0 ? 1 : 0;
    return crash(Command::call(server, "transfer_then_segv", account(from), account(1 - from), 1));
  }
  if (draw < 3) return expect(settle(Command::call(server, "audit")), "OK", "audit");
  if (draw < 8)
    return expect(settle(Command::call(server, "balance", account(1))),
                  std::to_string(its.balances[1]), "balance");
  if (draw < 30) return order(server, its);
  transfer(server, its);
}

void Caller::transfer(std::string_view server, Account& its) {
  const std::size_t from = its.balances[0] == 0 ? 1 : its.balances[1] == 0 ? 0 : below(2);
  const auto amount =
      static_cast<std::int64_t>(1 + below(static_cast<std::uint32_t>(its.balances[from])));
  const auto reply =
      settle(Command::call(server, "transfer", account(from), account(1 - from), amount));
  if (!reply) return;
  its.balances[from] -= amount;
  its.balances[1 - from] += amount;
  expect(reply, "OK", "transfer");
}

// A number that comes twice, or can't be cancelled, or only once too often, is a fault.
void Caller::order(std::string_view server, Account& its) {
  if (its.orders.size() >= kMostOrders) {
    const std::int64_t oldest = *its.orders.begin();
    const auto reply = settle(Command::call(server, "cancel", oldest));
    if (!reply) return;
    its.orders.erase(oldest);
    return expect(reply, "OK", "cancel");
  }
  const auto reply = settle(Command::call(server, "order", account(0), 1 + below(50), 10));
  if (!reply) return;
  if (reply->type != resp::Reply::Type::kInteger || reply->integer <= its.last_order)
    return shared_.verdict.fail(own("client ") + ", order: " + text_of(*reply) + " after " +
                                std::to_string(its.last_order));
  its.last_order = reply->integer;
  its.orders.insert(its.last_order);
}

// --- store ---------------------------------------------------------------------------------------

void Caller::use_store() {
  if (below(3) == 0) {
    const auto reply = settle(Command::call(kStore, "INCR", own("number")));
    if (reply) expect(reply, std::to_string(++increments_), "INCR");
    return;
  }
  const std::string key = own("text") + "." + std::to_string(below(kTexts));
  const auto known = texts_.find(key);
  if (below(3) == 0)
    return expect(settle(Command::call(kStore, "GET", key)),
                  known == texts_.end() ? "(nil)" : known->second, "GET");
  change_text(key);
}

void Caller::change_text(const std::string& key) {
  const std::string value = std::to_string(random_());
  const bool is_known = texts_.contains(key);
  switch (below(4)) {
    case 0: {
      const auto reply = settle(Command::call(kStore, "DEL", key));
      if (!reply) return;
      texts_.erase(key);
      return expect(reply, is_known ? "1" : "0", "DEL");
    }
    case 1: {
      if (is_known && texts_[key].size() > 500) return;
      const auto reply = settle(Command::call(kStore, "APPEND", key, value));
      if (!reply) return;
      texts_[key] += value;
      return expect(reply, std::to_string(texts_[key].size()), "APPEND");
    }
    default: {
      const auto reply = settle(Command::call(kStore, "SET", key, value));
      if (!reply) return;
      texts_[key] = value;
      return expect(reply, "OK", "SET");
    }
  }
}

// --- What must be so -----------------------------------------------------------------------------

// What is on its way between servers, or a timer's, may still come.
void Caller::await_last(std::string_view server, const std::string& series, std::int64_t wanted) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (connect()) {
    const auto reply = settle(Command::call(server, "last", series), After::kRepeat);
    if (!reply || reply->integer == wanted) return;
    if (reply->integer > wanted || std::chrono::steady_clock::now() > deadline)
      return shared_.verdict.fail(std::string(server) + ", " + series + ": the last is " +
                                  text_of(*reply) + ", not " + std::to_string(wanted));
    std::this_thread::sleep_for(5ms);
  }
}

void Caller::audit() {
  await_last(kVotes, own("vote"), votes_);
  await_last(kVotes, own("relay"), relays_);
  await_last(kVotes, own("ask"), asks_);
  await_last(kHub, own("ask") + "'s answer", asks_);
  await_last(kHub, own("timer"), timers_);
  for (const auto& [server, its] : {std::pair{kBank, &bank_}, std::pair{kTill, &till_}})
    for (std::size_t i = 0; i < 2; ++i)
      demand(Command::call(server, "balance", account(i)), std::to_string(its->balances[i]),
             "balance");
  demand(Command::call(kStore, "GET", own("number")),
         increments_ == 0 ? "(nil)" : std::to_string(increments_), "the number");
  for (std::uint32_t i = 0; i < kTexts; ++i) {
    const std::string key = own("text") + "." + std::to_string(i);
    const auto known = texts_.find(key);
    demand(Command::call(kStore, "GET", key), known == texts_.end() ? "(nil)" : known->second,
           key);
  }
}

}  // namespace peeper::torture
