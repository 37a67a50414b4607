// SIGKILL at random moments of a code change that makes another State: what is there afterwards is
// the old State or the new, whole, and who asked was told which.
#include <signal.h>

#include <array>
#include <chrono>
#include <random>

#include "code_change.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kRounds = 8;  // for each victim
constexpr int kCount = 5;   // of `shape`; `evolved` doubles it

enum class Victim { kWorker, kKeeper, kDaemon };

// A peeperd whose server has counted, and who asks for the change.
struct Round {
  Instance peeperd{mine("shape", 1000)};

  Round() {
    peeperd.start();
    Talk talk = peeperd.talk();
    for (int i = 1; i <= kCount; ++i)
      REQUIRE(talk({"CALL", "mine", "inc"}) == std::to_string(i));
  }

  void kill(Victim victim) {
    if (victim == Victim::kDaemon) return peeperd.kill_daemon();
    const int pid =
        victim == Victim::kWorker ? peeperd.worker("mine") : peeperd.keeper("mine");
    if (pid != 0) ::kill(pid, SIGKILL);  // none for the moment: then nobody is hit
  }

  // peeperd again, with the code that its State is of. Is that the new one?
  bool start_again() {
    for (const char* behaviour : {"shape", "evolved"}) {
      configure(peeperd, mine(behaviour, 1000));
      peeperd.start();
      if (peeperd.talk()({"CALL", "mine", "get"})[0] != '-') return behaviour[0] == 'e';
      CHECK(peeperd.talk()({"CALL", "mine", "get"}).find("State changed since") !=
            std::string::npos);
      peeperd.stop();
    }
    FAIL("no code fits the State");
    return false;
  }
};

// How long a change takes here when nobody interferes.
Clock::duration time_of_change() {
  Round round;
  Talk asker = round.peeperd.talk();
  const auto begin = Clock::now();
  CHECK(asker({"SYS", "CHANGE_CODE", "mine", "evolved"}) == "OK");
  const auto time = Clock::now() - begin;
  round.peeperd.stop();
  return time;
}

// Is the new code there in the end?
bool change_and_kill(Victim victim, Clock::duration delay) {
  Round round;
  Instance& peeperd = round.peeperd;
  Talk asker = peeperd.talk();
  const auto begin = Clock::now();
  asker.send({"SYS", "CHANGE_CODE", "mine", "evolved", "TIMEOUT", "30000"});
  while (Clock::now() - begin < delay) {
  }
  round.kill(victim);
  const std::string told = asker.receive();
  CAPTURE(told);
  const bool lost = told.starts_with("(failure)");
  if (victim == Victim::kDaemon)
    (void)round.start_again();
  else
    CHECK(!lost);

  Talk talk = peeperd.talk();
  const std::string count = talk({"CALL", "TIMEOUT", "30000", "mine", "get"});
  const bool is_new = count == std::to_string(2 * kCount);
  if (!is_new) CHECK(count == std::to_string(kCount));
  CHECK(talk({"CALL", "mine", "inc"}) == std::to_string(is_new ? 2 * kCount + 2 : kCount + 1));
  const std::string state = talk({"SYS", "GET_STATE", "mine"});
  CHECK((state.find("from version 0, a text that is longer than any small string holds") !=
         state.npos) == is_new);
  if (told == "OK" || told.starts_with("-ERR the new code has committed"))
    CHECK(is_new);
  else if (told.starts_with("-ERR code change failed: ") &&
           told.ends_with("; the old code goes on"))
    CHECK(!is_new);
  else
    CHECK(lost);
  peeperd.stop();
  return is_new;
}

void kill_at_random_moments(Victim victim) {
  const std::uint32_t seed = fresh_seed();
  CAPTURE(seed);
  std::mt19937 random{seed};
  const auto most = time_of_change();
  int changed = 0;
  for (int round = 0; round < kRounds; ++round) {
    // From the very beginning to a little behind the end.
    const auto delay = most * (random() % 1200) / 1000 * (round == 0 ? 0 : 1);
    CAPTURE(round);
    CAPTURE(std::chrono::duration_cast<std::chrono::microseconds>(delay).count());
    changed += change_and_kill(victim, delay) ? 1 : 0;
  }
  MESSAGE("changed: " << changed << " of " << kRounds << ", seed " << seed);
}

}  // namespace

TEST_CASE("a worker killed at a random moment of a code change: the old State or the new") {
  kill_at_random_moments(Victim::kWorker);
}

TEST_CASE("a keeper killed at a random moment of a code change: it goes on, and all are told") {
  kill_at_random_moments(Victim::kKeeper);
}

TEST_CASE("peeperd killed at a random moment of a code change: the old State or the new, whole") {
  kill_at_random_moments(Victim::kDaemon);
}
