// The contract, row by row: a command to server `a` of a Pair, and what is there to be seen if it
// happened. Each row is played plainly, and with `a` killed at either edge of a commit (edge.hpp).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "contract.hpp"
#include "edge.hpp"

namespace peeper::test {

enum class Way { kPlainly, kKilledBefore, kKilledAfter };
inline constexpr Way kWays[] = {Way::kPlainly, Way::kKilledBefore, Way::kKilledAfter};

// One row that was played.
struct Played {
  Pair& pair;
  Way way;
  Talk& asker;  // who gave the command; its reply was taken already, unless the row leaves it open
  std::string context;  // what `before` returned
  // Did the transaction that the kill was aimed at happen?
  [[nodiscard]] bool happened() const { return way != Way::kKilledBefore; }
};

struct Row {
  std::string what;
  // In words; %1 stands for what `before` returned. To server a.
  std::string command;
  // If it happened; "*" for any that is no error, "" if the caller is left to wait.
  std::string reply;
  std::function<void(Played&)> check;
  // Which of a's commits the kill is aimed at, counted from the command: 2 is what it leads to.
  int commits = 1;
  std::function<std::string(Pair&)> before = {};
};

// On one Pair, whose logs, counts and open calls are forgotten before each row.
void play(const std::vector<Row>& rows, Way way);
void play_on(Pair& pair, const Row& row, Way way);

// --- What may be looked at -----------------------------------------------------------------------

enum class Fence { kMessages, kTime };
// The log of `where` has this line once if it happened, and never gets it otherwise.
std::function<void(Played&)> logs(std::string where, std::string line, Fence fence = Fence::kTime);
// The line belongs to a transaction before the one that is killed: it is there once in any case.
std::function<void(Played&)> always_logs(std::string where, std::string line);
// a's count is 1 if it happened, else 0.
void counts(Played& played);
// Who asked waits until another message answers, once; otherwise was told of the crash.
void is_left_open(Played& played);
std::function<void(Played&)> both(std::function<void(Played&)> one,
                                  std::function<void(Played&)> other);

}  // namespace peeper::test
