// One client of the torture. It knows what each of its messages must have done: an answer says that
// it was applied once; -CRASHED to one that was sent once says that it was not applied; all else is
// unclear, and is made clear by the same message with the same token. So the next answer of that
// server is known beforehand, and so is everything in the end.
//
// Thread: work() on one of its own, the rest while that doesn't run.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "common/client/client.hpp"
#include "shared.hpp"

namespace peeper::torture {

class Caller {
 public:
  // `number`: from 1. Its messages are a sequence by its seed, as far as answers leave it.
  struct Who {
    int number;
    std::uint32_t seed;
    std::string socket;
  };
  Caller(Who who, Shared& shared);

  // Before anything else: its accounts.
  void open_accounts();
  // Sends until told to stop, and settles the last one.
  void work(const std::atomic<bool>& stop);
  // Everything is at rest: compares all of its own with what the servers say.
  void audit();
  void disconnect() { client_.reset(); }

  // The counts that `clicks` has answered, and how often it was asked for one without saying it.
  [[nodiscard]] const std::vector<std::int64_t>& clicks() const { return clicks_; }
  [[nodiscard]] std::size_t slow_clicks() const { return slow_clicks_; }
  // Of `store`: how many keys it has there.
  [[nodiscard]] std::size_t keys() const { return texts_.size() + (increments_ > 0 ? 1 : 0); }
  static constexpr std::int64_t kOpened = 2'000;  // in each ledger, in two accounts

 private:
  struct Account {
    std::array<std::int64_t, 2> balances{kOpened / 2, kOpened / 2};
    std::set<std::int64_t> orders;
    std::int64_t last_order = 0;
  };

  void step();
  void click();
  void vote();
  void use_hub();
  void use_ledger(std::string_view server, Account& account);
  void transfer(std::string_view server, Account& account);
  void order(std::string_view server, Account& account);
  void use_store();
  void change_text(const std::string& key);

  // -CRASHED: is the message sent again, or not? Or may that not be answered?
  enum class After { kMayLetBe, kRepeat, kNever };
  // The answer; none if the message was surely undone, and is let be; or if the torture has failed.
  std::optional<resp::Reply> settle(Command command, After after = After::kMayLetBe);
  // The same for a message whose callback crashes: every answer but -CRASHED is wrong.
  void crash(Command command);
  struct Try {
    Result<resp::Reply> reply;
    bool was_sent_once;
  };
  Try attempt(const Command& command);
  void expect(const std::optional<resp::Reply>& reply, const std::string& wanted,
              const std::string& what);
  void demand(Command command, const std::string& wanted, const std::string& what);
  void await_last(std::string_view server, const std::string& series, std::int64_t wanted);
  bool connect();

  [[nodiscard]] std::string own(std::string_view name) const;
  [[nodiscard]] int account(std::size_t index) const {
    return 2 * who_.number - 1 + static_cast<int>(index);
  }
  std::uint32_t below(std::uint32_t bound) { return static_cast<std::uint32_t>(random_() % bound); }

  const Who who_;
  Shared& shared_;
  std::mt19937 random_;
  std::optional<Client> client_;

  std::vector<std::int64_t> clicks_;
  std::size_t slow_clicks_ = 0;
  std::int64_t votes_ = 0;
  std::int64_t relays_ = 0;
  std::int64_t asks_ = 0;
  std::int64_t timers_ = 0;
  Account bank_;
  Account till_;
  std::int64_t increments_ = 0;
  std::map<std::string, std::string> texts_;
};

}  // namespace peeper::torture
