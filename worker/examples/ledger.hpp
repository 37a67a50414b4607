// What the ledger keeps, and the proof that it is whole. The messages are in ledger.cpp.
#pragma once

#include <peeper/containers.hpp>

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>

namespace ledger {

struct Account {
  peeper::string owner;  // 1 to 64 printable characters
  std::int64_t balance = 0;
  std::uint64_t transfers = 0;  // in and out
};

struct Order {
  std::uint64_t id = 0;
  std::uint64_t account = 0;
  std::int64_t amount = 0;
};

using Orders = peeper::list<Order>;  // of one price, oldest first

struct State {
  peeper::unordered_map<std::uint64_t, Account> accounts;
  peeper::map<std::int64_t, Orders> book;                           // by price; no price is empty
  peeper::unordered_map<std::uint64_t, std::int64_t> order_prices;  // of all orders, by their id
  // What follows can be computed from the above, so that audit() can compare.
  std::int64_t opened = 0;   // all that accounts were opened with
  std::int64_t ordered = 0;  // the amounts of all orders
  std::uint64_t transfers = 0;
  std::uint64_t next_order = 1;
};

inline bool is_owner(std::string_view text) {
  if (text.empty() || text.size() > 64) return false;
  for (const char c : text)
    if (c < ' ' || c > '~') return false;
  return true;
}

// Sums and counts that overflow only if the state is broken wrap around instead.
inline std::int64_t plus(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}

inline std::int64_t sum(const State& state) {
  std::int64_t all = 0;
  for (const auto& [id, account] : state.accounts) all = plus(all, account.balance);
  return all;
}

// Checks one State; stops at the first fault. Even a broken container is left after as many steps
// as it says that it has elements.
class Audit {
 public:
  // Empty: all is well. Otherwise what is broken.
  static std::string of(const State& state) {
    Audit audit(state);
    // First: who walks over broken blocks may end anywhere.
    if (!audit.demand(peeper::heap_is_sane(), "the heap's blocks are broken")) return audit.fault_;
    if (audit.table("accounts", state.accounts) && audit.table("order_prices", state.order_prices))
      if (audit.accounts() && audit.book_in_order()) audit.orders();
    return audit.fault_;
  }

 private:
  explicit Audit(const State& state) : state_(state) {}

  bool demand(bool holds, const std::string& fault) {
    if (!holds && fault_.empty()) fault_ = fault;
    return holds;
  }
  bool equal(const std::string& what, std::int64_t found, std::int64_t said) {
    return demand(found == said,
                  what + ": " + std::to_string(found) + ", not " + std::to_string(said));
  }
  bool counted(const std::string& what, std::size_t found, std::size_t said) {
    return equal(what + " counted", static_cast<std::int64_t>(found),
                 static_cast<std::int64_t>(said));
  }

  // Every element once, in the bucket of its key, and found under it.
  template <class Table>
  bool table(const std::string& name, const Table& table) {
    std::size_t count = 0;
    for (auto at = table.begin(); at != table.end(); ++at) {
      if (!demand(++count <= table.size(), name + " goes on after its last element")) return false;
      const auto found = table.find(at->first);
      if (!demand(found == at, name + " does not find " + std::to_string(at->first))) return false;
    }
    if (!counted(name, count, table.size())) return false;
    count = 0;
    for (std::size_t bucket = 0; bucket < table.bucket_count(); ++bucket)
      for (auto at = table.begin(bucket); at != table.end(bucket); ++at)
        if (!demand(++count <= table.size() && table.bucket((*at).first) == bucket,
                    name + " has a wrong element in bucket " + std::to_string(bucket)))
          return false;
    return counted(name + " in buckets", count, table.size());
  }

  bool accounts() {
    std::uint64_t transfers = 0;
    for (const auto& [id, account] : state_.accounts) {
      const std::string name = "account " + std::to_string(id);
      const peeper::string& owner = account.owner;
      const bool whole = owner.size() <= owner.capacity() && owner.size() <= 64 &&
                         owner.c_str()[owner.size()] == '\0' && is_owner(owner);
      if (!demand(whole, name + " has a broken owner") ||
          !demand(account.balance >= 0, name + " has a negative balance"))
        return false;
      transfers += account.transfers;
    }
    return equal("sum of the balances", sum(state_), state_.opened) &&
           equal("transfers of the accounts", static_cast<std::int64_t>(transfers),
                 static_cast<std::int64_t>(2 * state_.transfers));
  }

  // The tree, forwards and backwards.
  bool book_in_order() {
    const auto& book = state_.book;
    std::size_t forwards = 0;
    std::size_t backwards = 0;
    for (auto at = book.begin(); at != book.end(); ++at) {
      const std::string price = std::to_string(at->first);
      if (!demand(++forwards <= book.size(), "book goes on after its last price") ||
          !demand(at == book.begin() || std::prev(at)->first < at->first,
                  "book is out of order at price " + price) ||
          !demand(book.find(at->first) == at, "book does not find price " + price))
        return false;
    }
    for (auto at = book.rbegin(); at != book.rend(); ++at)
      if (!demand(++backwards <= book.size(), "book goes on before its first price")) return false;
    return counted("prices of the book", forwards, book.size()) &&
           counted("prices backwards", backwards, book.size());
  }

  bool orders() {
    std::int64_t ordered = 0;
    std::size_t count = 0;
    for (const auto& [price, orders] : state_.book) {
      const std::string level = "price " + std::to_string(price);
      if (!demand(!orders.empty(), level + " has no orders") || !level_in_order(level, orders))
        return false;
      for (const Order& order : orders) {
        const std::string name = "order " + std::to_string(order.id);
        const auto indexed = state_.order_prices.find(order.id);
        if (!demand(indexed != state_.order_prices.end() && indexed->second == price,
                    name + " is not indexed under its price") ||
            !demand(order.id < state_.next_order, name + " is from the future") ||
            !demand(order.amount > 0, name + " has no amount") ||
            !demand(state_.accounts.contains(order.account), name + " is of no account"))
          return false;
        ordered = plus(ordered, order.amount);
        ++count;
      }
    }
    return counted("orders", count, state_.order_prices.size()) &&
           equal("sum of the orders", ordered, state_.ordered);
  }

  bool level_in_order(const std::string& level, const Orders& orders) {
    std::size_t count = 0;
    std::uint64_t last = 0;
    for (const Order& order : orders) {
      if (!demand(++count <= orders.size(), level + " goes on after its last order") ||
          !demand(order.id > last, level + " is out of order at " + std::to_string(order.id)))
        return false;
      last = order.id;
    }
    return counted(level, count, orders.size());
  }

  const State& state_;
  std::string fault_;
};

}  // namespace ledger
