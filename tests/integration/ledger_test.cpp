// The ledger example: whatever kills it, whenever, the money is all there and the containers whole.
#include <doctest/doctest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <random>
#include <thread>

#include "instance.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

constexpr char kConfig[] =
    "[[server]]\nname = \"ledger\"\nbehaviour = \"ledger\"\nmax_restarts = 1000000\n"
    "state_size = \"64MiB\"\n";

using Words = std::vector<std::string>;

// What the ledger must hold, kept in ordinary memory.
struct Model {
  std::map<int, std::int64_t> balances;
  std::map<std::int64_t, std::int64_t> orders;  // number and price
  std::int64_t next_order = 1;

  bool operator==(const Model&) const = default;

  [[nodiscard]] std::int64_t sum() const {
    std::int64_t all = 0;
    for (const auto& [id, balance] : balances) all += balance;
    return all;
  }

  // Executes a message; returns the answer it must get, of a refusal the first word.
  std::string apply(const Words& words) {
    const auto number = [&](std::size_t i) { return std::stoll(words[i]); };
    const int first = static_cast<int>(number(1));
    if (words[0] == "cancel") return orders.erase(first) != 0 ? "OK" : "-BADARG";
    if (words[0] == "open") return balances.try_emplace(first, number(3)).second ? "OK" : "-BADARG";
    if (!balances.contains(first)) return "-BADARG";
    if (words[0] == "order") {
      orders[next_order] = number(2);
      return std::to_string(next_order++);
    }
    const int second = static_cast<int>(number(2));
    const std::int64_t amount = number(3);
    if (first == second || !balances.contains(second) || balances[first] < amount) return "-BADARG";
    if (words[0] == "transfer_then_segv")
      return "-CRASHED ledger: SIGSEGV at 0x0 in 'transfer_then_segv'";
    balances[first] -= amount;
    balances[second] += amount;
    return "OK";
  }
};

enum class Crashes { kNone, kSome };

// Random messages about few accounts.
class Messages {
 public:
  explicit Messages(std::uint32_t seed) : random_(seed) {}

  int pick(int count) { return static_cast<int>(random_() % static_cast<unsigned>(count)); }

  Words next(const Model& model, Crashes crashes) {
    const std::string account = std::to_string(pick(40) + 1);
    const std::string other = std::to_string(pick(40) + 1);
    const std::string amount = std::to_string(pick(60) + 1);
    switch (pick(10)) {
      case 0: return {"open", account, "the owner of account number " + account, amount};
      case 1: return {"order", account, other, amount};
      case 2: return {"cancel", std::to_string(pick(static_cast<int>(model.next_order)) + 1)};
      default: break;
    }
    const bool crash = crashes == Crashes::kSome && pick(12) == 0;
    return {crash ? "transfer_then_segv" : "transfer", account, other, amount};
  }

 private:
  std::mt19937 random_;
};

void send(Talk& talk, const Words& words) {
  std::vector<std::string_view> command{"CALL", "ledger"};
  command.insert(command.end(), words.begin(), words.end());
  REQUIRE(talk.client().send(command, kPatience).has_value());
}

bool as_foreseen(const std::string& answer, const std::string& foreseen) {
  return foreseen == "-BADARG" ? answer.starts_with("-BADARG ") : answer == foreseen;
}

void check_ledger(Talk& talk, const Model& model) {
  REQUIRE(talk({"CALL", "ledger", "audit"}) == "OK");
  REQUIRE(talk({"CALL", "ledger", "sum"}) == std::to_string(model.sum()));
  REQUIRE(talk({"CALL", "ledger", "accounts"}) == std::to_string(model.balances.size()));
}

// The ledger as it is.
Model read_back(Talk& talk) {
  const auto state = talk.reply({"SYS", "GET_STATE", "ledger"});
  REQUIRE(state.has_value());
  Model model;
  const auto& accounts = state->field("accounts")->elements;
  for (std::size_t i = 0; i < accounts.size(); i += 2)
    model.balances[static_cast<int>(accounts[i].integer)] =
        accounts[i + 1].field("balance")->integer;
  const auto& orders = state->field("order_prices")->elements;
  for (std::size_t i = 0; i < orders.size(); i += 2)
    model.orders[orders[i].integer] = orders[i + 1].integer;
  model.next_order = state->field("next_order")->integer;
  return model;
}

// What may have become of messages when everything was killed: all up to some moment were accepted,
// and of those executed, except for one at most: the one in flight.
std::vector<Model> possible_ends(const Model& start, const std::vector<Words>& messages) {
  std::vector<Model> ends;
  for (std::size_t dropped = 0; dropped <= messages.size(); ++dropped) {
    Model model = start;
    ends.push_back(model);
    for (std::size_t i = 0; i < messages.size(); ++i) {
      if (i != dropped) model.apply(messages[i]);
      ends.push_back(model);
    }
  }
  return ends;
}

}  // namespace

TEST_CASE("ledger: every message does what it says") {
  Instance peeperd{kConfig};
  peeperd.start();
  Talk talk = peeperd.talk();
  const auto call = [&](std::initializer_list<std::string_view> words) {
    const Words command(words.begin(), words.end());
    send(talk, command);
    return talk.receive();
  };
  CHECK(call({"sum"}) == "0");
  CHECK(call({"audit"}) == "OK");
  CHECK(call({"open", "1", "Ada", "100"}) == "OK");
  CHECK(call({"open", "2", "Bob", "0"}) == "OK");
  CHECK(call({"transfer", "1", "2", "30"}) == "OK");
  CHECK(call({"balance", "1"}) == "70");
  CHECK(call({"balance", "2"}) == "30");
  CHECK(call({"order", "1", "995", "10"}) == "1");
  CHECK(call({"order", "2", "995", "20"}) == "2");
  CHECK(call({"order", "2", "990", "5"}) == "3");
  CHECK(call({"cancel", "1"}) == "OK");
  CHECK(call({"cancel", "3"}) == "OK");
  CHECK(call({"open_many", "5"}) == "3");
  CHECK(call({"accounts"}) == "5");
  CHECK(call({"sum"}) == "400");
  CHECK(call({"transfer_then_segv", "1", "2", "30"}) ==
        "-CRASHED ledger: SIGSEGV at 0x0 in 'transfer_then_segv'");
  CHECK(call({"balance", "1"}) == "70");
  CHECK(talk({"CAST", "ledger", "transfer", "1", "5", "70"}) == "OK");
  CHECK(talk({"SEND", "ledger", "transfer", "5", "2", "170"}) == "OK");
  CHECK(call({"balance", "2"}) == "200");
  CHECK(call({"audit"}) == "OK");
  peeperd.stop();
}

TEST_CASE("ledger: what cannot be done is refused, and changes nothing") {
  Instance peeperd{kConfig};
  peeperd.start();
  Talk talk = peeperd.talk();
  const auto call = [&](const Words& words) {
    send(talk, words);
    return talk.receive();
  };
  CHECK(call({"open", "1", "Ada", "100"}) == "OK");
  CHECK(call({"open", "2", "Bob", "100"}) == "OK");
  const std::string before = talk({"SYS", "GET_STATE", "ledger"});
  const std::string usage = "-BADARG usage: ";
  CHECK(call({"open", "1", "Eve", "5"}) == "-BADARG account 1 is open already");
  CHECK(call({"open", "3", "Eve", "9223372036854775807"}) ==
        "-BADARG that is more money than there can be");
  CHECK(call({"open_many", "9223372036854775807"}) ==
        "-BADARG that is more money than there can be");
  CHECK(call({"transfer", "1", "9", "5"}) == "-BADARG there is no account '9'");
  CHECK(call({"transfer", "x", "1", "5"}) == "-BADARG there is no account 'x'");
  CHECK(call({"transfer_then_segv", "1", "2", "101"}) == "-BADARG account 1 has only 100");
  CHECK(call({"balance", "3"}) == "-BADARG there is no account '3'");
  CHECK(call({"order", "3", "1", "1"}) == "-BADARG there is no account '3'");
  CHECK(call({"cancel", "1"}) == "-BADARG there is no order '1'");
  for (const Words& words : std::vector<Words>{{"open"},
                                               {"open", "0", "Eve", "5"},
                                               {"open", "3", "", "5"},
                                               {"open", "3", "Eve\n", "5"},
                                               {"open", "3", std::string(65, 'E'), "5"},
                                               {"open", "3", "Eve", "-5"},
                                               {"open", "3", "Eve", "5", "6"},
                                               {"open_many", "0"},
                                               {"transfer", "1", "2"},
                                               {"transfer", "1", "2", "0"},
                                               {"transfer", "1", "2", "-5"},
                                               {"transfer", "1", "01", "5"},
                                               {"order", "1", "0", "5"},
                                               {"order", "1", "5", "0"},
                                               {"cancel"},
                                               {"balance"}})
    CHECK(call(words).starts_with(usage + words[0]));
  CHECK(call({"nonsense"}) == "-BADARG ledger knows no message 'nonsense'");
  CHECK(talk({"SYS", "GET_STATE", "ledger"}) == before);
  CHECK(call({"audit"}) == "OK");
  peeperd.stop();
}

TEST_CASE("ledger: 3 000 random messages, crashes and kills leave exactly what was answered") {
  Instance peeperd{kConfig};
  peeperd.start();
  Talk talk = peeperd.talk();
  const std::uint32_t seed = fresh_seed();
  CAPTURE(seed);
  Messages messages{seed};
  Model model;
  int crashed = 0;
  int killed = 0;
  for (int i = 0; i < 3000; ++i) {
    const Words words = messages.next(model, Crashes::kSome);
    CAPTURE(i);
    const bool kill = messages.pick(20) == 0;
    Model after = model;
    const std::string foreseen = after.apply(words);
    const Watch worker{kill ? peeperd.worker("ledger") : ::getpid()};
    send(talk, words);
    if (kill) worker.kill(SIGKILL);  // before it took the message, in it, or after
    const std::string answer = talk.receive();
    if (kill && answer.starts_with("-CRASHED ledger: SIGKILL in ")) {
      ++killed;
    } else {
      REQUIRE_MESSAGE(as_foreseen(answer, foreseen), answer);
      model = std::move(after);
    }
    if (answer.starts_with("-CRASHED ")) ++crashed;
    if (kill || answer.starts_with("-CRASHED ")) check_ledger(talk, model);
  }
  MESSAGE("crashed " << crashed << ", of that killed in a message " << killed);
  CHECK(crashed - killed > 20);
  CHECK(model.balances.size() > 20);
  check_ledger(talk, model);
  CHECK((read_back(talk) == model));
  peeperd.stop();
}

TEST_CASE("ledger: workers killed under the load of three clients move no money") {
  Instance peeperd{kConfig};
  peeperd.start();
  Talk talk = peeperd.talk();
  constexpr char kAccounts[] = "200";
  REQUIRE(talk({"CALL", "ledger", "open_many", kAccounts}) == kAccounts);
  std::atomic<bool> stop{false};
  std::atomic<std::int64_t> answers{0};
  std::array<std::string, 3> surprises;
  std::vector<std::jthread> clients;
  struct Stopper {  // before the clients are joined, whatever ends the test
    std::atomic<bool>& stop;
    ~Stopper() { stop = true; }
  };
  const Stopper stopper{stop};
  const std::uint32_t seed = fresh_seed();
  CAPTURE(seed);
  for (unsigned i = 0; i < surprises.size(); ++i)
    clients.emplace_back([&, i, client = peeperd.talk()]() mutable {
      std::mt19937 random{seed + i};
      while (!stop) {
        const std::string from = std::to_string(random() % 200 + 1);
        const std::string to = std::to_string(random() % 200 + 1);
        const char* what = random() % 50 == 0 ? "transfer_then_segv" : "transfer";
        const std::string answer =
            client({"CALL", "ledger", what, from, to, std::to_string(random() % 50 + 1)});
        if (answer != "OK" && !answer.starts_with("-BADARG ") && !answer.starts_with("-CRASHED "))
          surprises[i] = answer;
        ++answers;
      }
    });
  for (int kills = 0; kills < 60; ++kills) {
    const std::int64_t until = answers + kills % 40;
    peeperd.await([&] { return answers >= until; });
    const std::string told = talk({"SYS", "KILL", "ledger"});
    // Between two workers there is none.
    CHECK((told == "OK" || told == "-DOWN ledger: it has no worker now"));
    REQUIRE(talk({"CALL", "ledger", "sum"}) == "20000");
    REQUIRE(talk({"CALL", "ledger", "audit"}) == "OK");
  }
  stop = true;
  for (std::jthread& client : clients) client.join();
  for (const std::string& surprise : surprises) CHECK(surprise == "");
  peeperd.stop();
}

TEST_CASE("ledger: kill -9 of worker, keeper and daemon drops at most the message in flight") {
  Instance peeperd{kConfig};
  peeperd.start();
  const std::uint32_t seed = fresh_seed();
  CAPTURE(seed);
  Messages messages{seed};
  Model model;
  for (int round = 0; round < 15; ++round) {
    CAPTURE(round);
    std::vector<Words> sent;
    {
      Talk talk = peeperd.talk();
      // Pipelined: some are answered, one may be in flight, others wait.
      constexpr int kDepth = 60;
      for (int i = 0; i < kDepth; ++i) {
        sent.push_back(messages.next(model, Crashes::kNone));
        send(talk, sent.back());
      }
      const int answers = messages.pick(kDepth);
      for (int i = 0; i < answers; ++i) {
        const std::string answer = talk.receive();
        REQUIRE_MESSAGE(as_foreseen(answer, model.apply(sent.front())), answer);
        sent.erase(sent.begin());
      }
      peeperd.kill_all_three("ledger");
    }
    peeperd.start();
    Talk talk = peeperd.talk();
    REQUIRE(talk({"CALL", "ledger", "audit"}) == "OK");
    const std::vector<Model> ends = possible_ends(model, sent);
    const Model found = read_back(talk);
    const auto end = std::find(ends.begin(), ends.end(), found);
    REQUIRE((end != ends.end()));
    model = found;
    check_ledger(talk, model);
  }
  CHECK(model.balances.size() > 20);
  peeperd.stop();
}

TEST_CASE("ledger: 20 000 accounts opened in one message are all there or none") {
  Instance peeperd{kConfig};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "ledger", "open_many", "100"}) == "100");
  Talk opener = peeperd.talk();
  const Watch worker{peeperd.worker("ledger")};
  opener.send({"CALL", "ledger", "open_many", "1000000000"});
  peeperd.await_message("ledger");
  worker.kill(SIGKILL);
  CHECK(opener.receive() == "-CRASHED ledger: SIGKILL in 'open_many'");
  CHECK(talk({"CALL", "ledger", "accounts"}) == "100");
  CHECK(talk({"CALL", "ledger", "audit"}) == "OK");
  CHECK(talk({"CALL", "ledger", "open_many", "20000"}) == "19900");
  CHECK(talk({"CALL", "ledger", "sum"}) == "2000000");
  CHECK(talk({"CALL", "ledger", "audit"}) == "OK");
  CHECK(talk({"SYS", "KILL", "ledger"}) == "OK");
  CHECK(talk({"CALL", "ledger", "audit"}) == "OK");
  CHECK(talk({"CALL", "ledger", "accounts"}) == "20000");
  peeperd.stop();
}
