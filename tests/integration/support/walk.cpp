#include "walk.hpp"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <ostream>
#include <random>
#include <string_view>

#include "common/segment/segment.hpp"
#include "require.hpp"

namespace peeper::test {

using namespace segment;

namespace {

#ifdef PEEPER_SANITIZED
constexpr std::size_t kKills = 1;  // starting a program takes many times as long
#else
constexpr std::size_t kKills = 10;
#endif

// Is the worker in its callback? To be asked before each instruction.
class Whereabouts {
 public:
  // `visits`: how often the worker calls into the behaviour; the last is the callback.
  Whereabouts(const Traced& worker, CodeRange code, int visits)
      : worker_(worker), code_(code), visits_(visits) {}

  bool in_callback() {
    if (where_ == Where::kAfter) return false;
    const Registers now = worker_.registers();
    if (where_ == Where::kBefore && code_.contains(now.instruction)) {
      where_ = Where::kInside;
      entered_ = now.stack;
      returns_to_ = worker_.return_address();
    } else if (where_ == Where::kInside && now.instruction == returns_to_ &&
               now.stack >= entered_) {
      where_ = --visits_ > 0 ? Where::kBefore : Where::kAfter;
    }
    return where_ == Where::kInside && visits_ == 1;
  }
  [[nodiscard]] bool is_behind() const { return where_ == Where::kAfter; }
  [[nodiscard]] std::uint64_t returns_to() const { return returns_to_; }

 private:
  const Traced& worker_;
  CodeRange code_;
  int visits_;
  enum class Where { kBefore, kInside, kAfter } where_ = Where::kBefore;
  std::uint64_t entered_ = 0;
  std::uint64_t returns_to_ = 0;
};

// From the message in the mailbox to the worker about to sleep again; `look` is called before each
// instruction and after the last.
template <class Look>
Length walk(Stage& stage, Look look) {
  Traced& worker = stage.worker();
  Whereabouts whereabouts{worker, worker.code_of(stage.library()),
                          stage.server().is_asked_first ? 2 : 1};
  const std::uint64_t committed = stage.segment().control().committed.load();
  Length length;
  while (true) {
    const bool in_callback = whereabouts.in_callback();
    look(in_callback);
    if (stage.is_idle()) break;
    const std::uint64_t faults = worker.faults();
    require(worker.step(), "the worker died while it was stepped");
    if (worker.faults() > faults) length.faults.push_back(length.steps);
    ++length.steps;
    if (in_callback)
      ++length.of_callback;
    else if (length.of_callback == 0)
      ++length.before_callback;
  }
  require(whereabouts.is_behind(), "the walk missed the callback");
  length.returns_to = whereabouts.returns_to() - worker.code_of(stage.worker_program()).begin;
  require(stage.segment().control().committed.load() == committed + 1,
          "the message was not committed");
  return length;
}

void count(Tally& tally, Outcome outcome) {
  switch (outcome) {
    case Outcome::kNotBegun: ++tally.not_begun; return;
    case Outcome::kDropped: ++tally.dropped; return;
    case Outcome::kCommitted: ++tally.committed; return;
  }
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const Tally& tally) {
  return out << "instructions: " << tally.length.steps << ", of the callback: "
             << tally.length.of_callback << ", page faults: " << tally.length.faults.size()
             << "; looked at: " << tally.looked << ", in different states: " << tally.recovered
             << "; not begun: " << tally.not_begun << ", undone: " << tally.dropped
             << ", committed: " << tally.committed << "; wrong: " << tally.wrong
             << (tally.wrong > 0 ? ", first: " : "") << tally.first_wrong;
}

Length measure(Stage& stage, const Act& act) {
  (void)enter(stage, act);
  const Length length = walk(stage, [](bool) {});
  (void)stage.recover(stage.kill_worker());
  return length;
}

Tally kill_everywhere(Stage& stage, const Act& act, Sampling sampling) {
  Sides sides = rehearse(stage, act);
  const bool all = sampling.most_of_callback == UINT64_MAX;
  const std::uint64_t expected = all ? 0 : measure(stage, act).of_callback;
  require(enter(stage, act).before == sides.before, "the act does not begin as in the rehearsal");

  Tally tally;
  Twin twin{stage};
  const Death death{Observed::kSeen, SIGKILL,
                    stage.segment().control().worker.incarnation.load()};
  std::mt19937_64 random{sampling.seed};
  std::uniform_int_distribution<std::uint64_t> draw{1, std::max<std::uint64_t>(expected, 1)};
  Finding finding{};
  tally.length = walk(stage, [&](bool in_callback) {
    if (in_callback && draw(random) > sampling.most_of_callback) return;
    ++tally.looked;
    if (twin.take_over()) {
      ++tally.recovered;
      take_own_commit(stage, sides);
      const Outcome last = finding.outcome;
      finding = twin.recover(death, sides);
      if (last == Outcome::kCommitted && finding.outcome != last && finding.fault.empty())
        finding.fault = "what was committed is not any more";
    }
    count(tally, finding.outcome);
    if (finding.fault.empty()) return;
    if (tally.wrong++ == 0) tally.first_wrong = finding.fault;
  });
  (void)stage.recover(stage.kill_worker());
  return tally;
}

std::vector<std::uint64_t> steps_to_kill_at(const Length& length, std::uint32_t seed) {
  const char* given = std::getenv("PEEPER_STEPS");
  std::vector<std::uint64_t> chosen;
  if (given != nullptr && std::string_view(given) == "all") {
    for (std::uint64_t step = 0; step <= length.steps; ++step) chosen.push_back(step);
    return chosen;
  }
  chosen = {0, length.before_callback + length.of_callback, length.steps};
  if (!length.faults.empty()) chosen.push_back(length.faults[0]);
  const std::size_t count = given != nullptr ? std::strtoul(given, nullptr, 10) : kKills;
  std::mt19937_64 random{seed};
  std::uniform_int_distribution<std::uint64_t> any{0, length.steps};
  std::uniform_int_distribution<std::uint64_t> outside{0, length.steps - length.of_callback};
  for (std::size_t i = 0; i < count; ++i) {
    chosen.push_back(any(random));
    const std::uint64_t step = outside(random);
    chosen.push_back(step < length.before_callback ? step : step + length.of_callback);
  }
  return chosen;
}

void walk_to(Stage& stage, const Length& length, std::uint64_t steps) {
  Traced& worker = stage.worker();
  std::uint64_t done = 0;
  if (const std::uint64_t end = length.before_callback + length.of_callback; steps >= end) {
    worker.run_to(worker.code_of(stage.worker_program()).begin + length.returns_to);
    done = end;
  } else {
    for (const std::uint64_t fault : length.faults) {
      if (fault > steps) break;
      worker.run_to_fault();
      done = fault;
    }
  }
  // A walk may be shorter than the one measured: then it ends where that one did.
  for (; done < steps && !stage.is_idle(); ++done)
    require(worker.step(), "the worker died while it was stepped");
}

}  // namespace peeper::test
