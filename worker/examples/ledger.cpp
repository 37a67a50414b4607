// Accounts and an order book: a State of several containers that depend on each other, and a sum
// that no crash may change.
//
//   peeper call ledger open 1 Ada 100       OK
//   peeper call ledger open 2 Bob 0         OK
//   peeper call ledger transfer 1 2 30      OK
//   peeper call ledger balance 2            30
//   peeper call ledger order 1 995 10       1           buy or sell at 995; the order's number
//   peeper call ledger transfer_then_segv 1 2 30        (error) CRASHED ...
//   peeper call ledger sum                  100         as before
//   peeper call ledger audit                OK
#include <peeper/server.hpp>

#include <algorithm>
#include <limits>
#include <string>

#include "crashes.hpp"
#include "ledger.hpp"

namespace {

using peeper::Kind;
using peeper::Message;
using peeper::Result;

class Ledger {
 public:
  using State = ledger::State;

  static constexpr peeper::MessageSpec messages[] = {
      {Kind::call, "open", "ID OWNER BALANCE", "opens an account"},
      {Kind::call, "open_many", "N", "opens those of 1 to N that aren't; replies how many"},
      {Kind::call, "transfer", "FROM TO AMOUNT", "from one account to another"},
      {Kind::call, "transfer_then_segv", "FROM TO AMOUNT", "crashes between debit and credit"},
      {Kind::call, "balance", "ID", "replies what is in an account"},
      {Kind::call, "order", "ACCOUNT PRICE AMOUNT", "to buy or sell; replies the order's number"},
      {Kind::call, "cancel", "ORDER", "takes an order back"},
      {Kind::call, "sum", "", "replies what is in all accounts"},
      {Kind::call, "accounts", "", "replies how many there are"},
      {Kind::call, "audit", "", "OK, or the first thing that is broken"},
      {Kind::cast, "open", "ID OWNER BALANCE", "opens an account"},
      {Kind::cast, "transfer", "FROM TO AMOUNT", "from one account to another"},
  };

  static State init() { return {}; }

  static Result handle_call(const Message& message, State& state) {
    const std::string_view name = message.name();
    if (name == "transfer") return transfer(message, state, nullptr);
    if (name == "balance") return balance(message, state);
    if (name == "order") return order(message, state);
    if (name == "cancel") return cancel(message, state);
    if (name == "open") return open(message, state);
    if (name == "open_many") return open_many(message, state);
    if (name == "sum") return ledger::sum(state);
    if (name == "accounts") return state.accounts.size();
    if (name == "audit") return audit(state);
    if (name == "transfer_then_segv") return transfer(message, state, &crashes::segv);
    return bad("ledger knows no message '" + std::string(name) + "'");
  }

  // These take a const State&, and what they compute they keep elsewhere: no journal is needed.
  static bool reads_only(const Message& message) {
    const std::string_view name = message.name();
    return name == "balance" || name == "sum" || name == "accounts" || name == "audit";
  }

  // Casts and infos do the same; nobody waits for the answer.
  static void handle_cast(const Message& message, State& state) {
    (void)handle_call(message, state);
  }
  static void handle_info(const Message& message, State& state) {
    (void)handle_call(message, state);
  }

 private:
  using Account = ledger::Account;

  static Result bad(const std::string& text) { return peeper::error("BADARG " + text); }
  static Result ok() { return peeper::status("OK"); }

  // A positive number; 0 if there is none.
  static std::int64_t positive(const Message& message, std::size_t index) {
    return std::max<std::int64_t>(message.integer(index).value_or(0), 0);
  }
  static std::uint64_t id(const Message& message, std::size_t index) {
    return static_cast<std::uint64_t>(positive(message, index));
  }
  static Result no_account(const Message& message, std::size_t index) {
    return bad("there is no account '" + std::string(message.arg(index)) + "'");
  }

  static Result open(const Message& message, State& state) {
    const std::int64_t amount = message.integer(2).value_or(-1);
    if (message.size() != 3 || id(message, 0) == 0 || !ledger::is_owner(message.arg(1)) ||
        amount < 0)
      return bad("usage: open ID OWNER BALANCE; OWNER of 1 to 64 printable characters");
    if (amount > std::numeric_limits<std::int64_t>::max() - state.opened)
      return bad("that is more money than there can be");
    const auto [at, is_new] = state.accounts.try_emplace(id(message, 0));
    if (!is_new) return bad("account " + std::string(message.arg(0)) + " is open already");
    at->second.owner = message.arg(1);
    at->second.balance = amount;
    state.opened += amount;
    return ok();
  }

  // Those of 1 to N that are not open yet, all in this one transaction. Replies how many.
  static Result open_many(const Message& message, State& state) {
    constexpr std::int64_t kBalance = 100;
    const std::int64_t count = positive(message, 0);
    if (message.size() != 1 || count == 0) return bad("usage: open_many N");
    if (count > (std::numeric_limits<std::int64_t>::max() - state.opened) / kBalance)
      return bad("that is more money than there can be");
    std::int64_t opened = 0;
    for (std::int64_t number = 1; number <= count; ++number) {
      const auto [at, is_new] = state.accounts.try_emplace(static_cast<std::uint64_t>(number));
      if (!is_new) continue;
      at->second.owner = std::string_view("owner " + std::to_string(number));
      at->second.balance = kBalance;
      ++opened;
    }
    state.opened += opened * kBalance;
    return opened;
  }

  static Result transfer(const Message& message, State& state, crashes::Crash between) {
    const std::int64_t amount = positive(message, 2);
    if (message.size() != 3 || amount == 0 || id(message, 0) == id(message, 1))
      return bad("usage: " + std::string(message.name()) +
                 " FROM TO AMOUNT; from one account to another");
    const auto from = state.accounts.find(id(message, 0));
    if (from == state.accounts.end()) return no_account(message, 0);
    const auto to = state.accounts.find(id(message, 1));
    if (to == state.accounts.end()) return no_account(message, 1);
    Account& giver = from->second;
    Account& taker = to->second;
    if (giver.balance < amount)
      return bad("account " + std::string(message.arg(0)) + " has only " +
                 std::to_string(giver.balance));
    giver.balance -= amount;
    giver.transfers += 1;
    if (between != nullptr) between(message);
    taker.balance += amount;
    taker.transfers += 1;
    state.transfers += 1;
    return ok();
  }

  static Result balance(const Message& message, const State& state) {
    if (message.size() != 1) return bad("usage: balance ID");
    const auto at = state.accounts.find(id(message, 0));
    if (at == state.accounts.end()) return no_account(message, 0);
    return at->second.balance;
  }

  static Result order(const Message& message, State& state) {
    const std::int64_t price = positive(message, 1);
    const std::int64_t amount = positive(message, 2);
    if (message.size() != 3 || price == 0 || amount == 0)
      return bad("usage: order ACCOUNT PRICE AMOUNT");
    const std::uint64_t account = id(message, 0);
    if (!state.accounts.contains(account)) return no_account(message, 0);
    if (amount > std::numeric_limits<std::int64_t>::max() - state.ordered)
      return bad("that is more than can be ordered");
    const std::uint64_t number = state.next_order++;
    state.book[price].push_back({.id = number, .account = account, .amount = amount});
    state.order_prices.emplace(number, price);
    state.ordered += amount;
    return number;
  }

  static Result cancel(const Message& message, State& state) {
    if (message.size() != 1) return bad("usage: cancel ORDER");
    const auto indexed = state.order_prices.find(id(message, 0));
    if (indexed == state.order_prices.end())
      return bad("there is no order '" + std::string(message.arg(0)) + "'");
    const auto level = state.book.find(indexed->second);
    ledger::Orders& orders = level->second;
    const auto at = std::find_if(orders.begin(), orders.end(), [&](const ledger::Order& order) {
      return order.id == indexed->first;
    });
    state.ordered -= at->amount;
    orders.erase(at);
    if (orders.empty()) state.book.erase(level);
    state.order_prices.erase(indexed);
    return ok();
  }

  static Result audit(const State& state) {
    const std::string fault = ledger::Audit::of(state);
    if (!fault.empty()) return peeper::error("BROKEN " + fault);
    return ok();
  }
};

}  // namespace

PEEPER_SERVER(Ledger)
