// The audit of the ledger example, shown ledgers that are broken in one way each.
#include <doctest/doctest.h>

#include <cstring>

#include "heap_test_worker.hpp"
#include "sdk_test_heap.hpp"
#include "worker/examples/ledger.hpp"

using namespace ledger;
using peeper::test::HeapWorker;
using peeper::test::TestHeap;

namespace {

// Three accounts, two prices, three orders; all of it consistent.
struct Sound {
  Sound() {
    for (std::uint64_t id = 1; id <= 3; ++id) {
      Account& account = state.accounts[id];
      account.owner = "an owner whose name is not short";
      account.balance = 100;
      state.opened += 100;
    }
    state.accounts[1].transfers = 1;
    state.accounts[2].transfers = 1;
    state.transfers = 1;
    for (const std::int64_t price : {10, 20, 10}) {
      state.book[price].push_back({.id = state.next_order, .account = 1, .amount = 7});
      state.order_prices.emplace(state.next_order++, price);
      state.ordered += 7;
    }
  }
  ~Sound() { heap.destroy(&state); }

  TestHeap heap;
  State& state = *heap.construct<State>();
};

}  // namespace

TEST_CASE("a sound ledger passes its audit, at any address") {
  Sound ledger;
  CHECK(Audit::of(ledger.state) == "");
  TestHeap& heap = ledger.heap;
  State* empty = heap.construct<State>();
  CHECK(Audit::of(*empty) == "");
  heap.destroy(empty);
}

TEST_CASE("the audit of a ledger names a fault of its money") {
  Sound ledger;
  State& state = ledger.state;
  SUBCASE("a debit without its credit") {
    state.accounts[1].balance -= 30;
    CHECK(Audit::of(state) == "sum of the balances: 270, not 300");
  }
  SUBCASE("a transfer that only one side knows of") {
    state.accounts[1].transfers += 1;
    CHECK(Audit::of(state) == "transfers of the accounts: 3, not 2");
  }
  SUBCASE("a debt") {
    state.accounts[3].balance = -1;
    CHECK(Audit::of(state) == "account 3 has a negative balance");
  }
  SUBCASE("an order without its amount in the total") {
    state.ordered -= 7;
    CHECK(Audit::of(state) == "sum of the orders: 21, not 14");
  }
}

TEST_CASE("the audit of a ledger names a fault between its containers") {
  Sound ledger;
  State& state = ledger.state;
  SUBCASE("an order that is not indexed") {
    state.order_prices.erase(2);
    CHECK(Audit::of(state) == "order 2 is not indexed under its price");
  }
  SUBCASE("an order indexed under another price") {
    state.order_prices[2] = 10;
    CHECK(Audit::of(state) == "order 2 is not indexed under its price");
  }
  SUBCASE("an index entry without its order") {
    state.order_prices[4] = 10;
    CHECK(Audit::of(state) == "orders counted: 3, not 4");
  }
  SUBCASE("an order of no account") {
    state.book[20].front().account = 9;
    CHECK(Audit::of(state) == "order 2 is of no account");
  }
  SUBCASE("a number that would be given twice") {
    state.next_order = 3;
    CHECK(Audit::of(state) == "order 3 is from the future");
  }
  SUBCASE("orders of a price out of order") {
    std::swap(state.book[10].front().id, state.book[10].back().id);
    CHECK(Audit::of(state) == "price 10 is out of order at 1");
  }
  SUBCASE("a price without orders") {
    state.book[30];
    CHECK(Audit::of(state) == "price 30 has no orders");
  }
}

TEST_CASE("the audit of a ledger names a fault inside a container") {
  Sound ledger;
  State& state = ledger.state;
  SUBCASE("a key overwritten in the hash table") {
    const_cast<std::uint64_t&>(state.accounts.find(2)->first) = 77;
    CHECK(Audit::of(state) == "accounts does not find 77");
  }
  SUBCASE("a key overwritten in the tree") {
    const_cast<std::int64_t&>(state.book.find(20)->first) = 5;
    CHECK(Audit::of(state) == "book is out of order at price 5");
  }
  SUBCASE("a text that lost its end") {
    peeper::string& owner = state.accounts[2].owner;
    owner.data()[owner.size()] = 'x';
    CHECK(Audit::of(state) == "account 2 has a broken owner");
    owner.data()[owner.size()] = '\0';
  }
  SUBCASE("a text overwritten") {
    state.accounts[2].owner[3] = '\n';
    CHECK(Audit::of(state) == "account 2 has a broken owner");
  }
}

TEST_CASE("the audit of a ledger names a fault of the heap that holds it") {
  HeapWorker worker;
  worker.transact([&] {
    worker.heap().set_state(new (worker.heap().allocate(sizeof(State), alignof(State))) State());
    State& state = *static_cast<State*>(worker.heap().state());
    for (std::uint64_t id = 1; id <= 2; ++id) {
      state.accounts[id].owner = "an owner whose name is not short";
      state.accounts[id].balance = 100;
      state.opened += 100;
    }
    REQUIRE(Audit::of(state) == "");
    // A text that ran over its end, into what lies behind its block.
    peeper::string& owner = state.accounts[1].owner;
    std::memset(owner.data() + owner.size() + 1, 'x', owner.capacity() - owner.size() + 24);
    CHECK(Audit::of(state) == "the heap's blocks are broken");
  });
}
