// What becomes of a process that a worker has started, and whether memory was what killed one.
#include <doctest/doctest.h>
#include <unistd.h>

#include <string>

#include "common/segment/death.hpp"
#include "daemon/process/child_mark.hpp"
#include "daemon/process/descendants.hpp"
#include "daemon/process/oom.hpp"

using namespace peeper;
using namespace peeper::daemon;
using namespace std::chrono_literals;

TEST_CASE("what a worker has started is killed once no worker it may come from lives") {
  const std::string a = "PEEPER_CHILD_OF=1.a:10:1";
  const std::string b = "PEEPER_CHILD_OF=1.a:10:2";
  const Kin kin{{100}, {a}, false};
  CHECK(fate_of({100, a}, kin) == Fate::kLeave);
  CHECK(fate_of({100, ""}, kin) == Fate::kLeave);  // its environment is another, its group isn't
  CHECK(fate_of({200, a}, kin) == Fate::kLeave);   // its group is another, its environment isn't
  CHECK(fate_of({200, b}, kin) == Fate::kKill);
  CHECK(fate_of({200, ""}, kin) == Fate::kKill);
  CHECK(fate_of({200, a}, {}) == Fate::kKill);
}

TEST_CASE("what can't be told of a process for now is asked again, if it matters") {
  const Kin kin{{100}, {"PEEPER_CHILD_OF=1.a:10:1"}, false};
  CHECK(fate_of({100, std::nullopt}, kin) == Fate::kLeave);
  CHECK(fate_of({200, std::nullopt}, kin) == Fate::kLookAgain);
  CHECK(fate_of({200, std::nullopt}, {}) == Fate::kKill);
  CHECK(fate_of({200, std::nullopt}, {{}, {}, true}) == Fate::kLookAgain);
}

TEST_CASE("process 1 of a container leaves alone what bears no mark") {
  const Kin kin{{100}, {"PEEPER_CHILD_OF=1.a:1:1"}, true};
  CHECK(fate_of({200, ""}, kin) == Fate::kLeave);
  CHECK(fate_of({200, "PEEPER_CHILD_OF=1.a:1:2"}, kin) == Fate::kKill);
}

TEST_CASE("a mark is found in an environment, wherever it stands") {
  const std::string mark = "PEEPER_CHILD_OF=1.a:10:1";
  const auto environment = [](std::initializer_list<std::string> variables) {
    std::string text;
    for (const std::string& variable : variables) text += variable + '\0';
    return text;
  };
  CHECK(mark_in(environment({mark})) == mark);
  CHECK(mark_in(environment({"A=1", "B=" + mark, mark, "C="})) == mark);
  CHECK(mark_in("A=1\n" + mark).empty());
  CHECK(mark_in(environment({"A=1", ""})).empty());
  CHECK(mark_in("").empty());
  CHECK(mark_in(mark) == mark);  // cut off
}

TEST_CASE("how long an environment is stands far back in the line, behind any name") {
  const auto line = [](const std::string& name, const std::string& begin, const std::string& end,
                       const std::string& code_end = "94000000000000") {
    std::string text = "12 (" + name + ") S";
    for (int field = 4; field < 50; ++field)
      text += " " + (field == 27 ? code_end : std::to_string(-field));
    return text + " " + begin + " " + end + " 0\n";
  };
  CHECK(environment_size(line("sleep", "140728000000000", "140728000000700")) == 700);
  CHECK(environment_size(line("a) b (c d", "4096", "4097")) == 1);
  CHECK(environment_size(line("sleep", "4096", "4096")) == 0);
  // It is executing a program; at last both ends are there, but are one.
  CHECK_FALSE(environment_size(line("sleep", "0", "0", "0")));
  CHECK_FALSE(environment_size(line("sleep", "4096", "4096", "0")));
  CHECK_FALSE(environment_size(line("sleep", "0", "0", "1")));  // it isn't ours to be looked at
  CHECK_FALSE(environment_size(line("sleep", "2", "1")));
  CHECK_FALSE(environment_size(line("sleep", "1", "x")));
  CHECK_FALSE(environment_size("12 (sleep) S 1 2"));
  CHECK_FALSE(environment_size("12 sleep"));
  CHECK_FALSE(environment_size(""));
  const std::string whole = line("sleep", "10", "25");
  CHECK_FALSE(environment_size(whole.substr(0, whole.size() - 5)));
}

TEST_CASE("this process's own mark is found, and that of one without is none") {
  CHECK(mark_of(::getpid()) == "");
  CHECK(mark_of(0) == "");
}

TEST_CASE("a mark is of one family, and of none whose name is longer or shorter") {
  CHECK(is_of_family("PEEPER_CHILD_OF=1.a:10:1", "1.a"));
  CHECK_FALSE(is_of_family("PEEPER_CHILD_OF=1.a:10:1", "1.aa"));
  CHECK_FALSE(is_of_family("PEEPER_CHILD_OF=1.aa:10:1", "1.a"));
  CHECK_FALSE(is_of_family("PEEPER_CHILD_OF=2.a:10:1", "1.a"));
  CHECK_FALSE(is_of_family("1.a:10:1", "1.a"));
  CHECK_FALSE(is_of_family("", "1.a"));
}

TEST_CASE("a death is laid to the kernel if it has just killed for memory, and once for each") {
  Instant now{};
  OomTally tally;
  CHECK_FALSE(tally.explains_death(7));
  tally.note(7, now);
  CHECK_FALSE(tally.explains_death(7));
  CHECK(tally.explains_death(9));
  CHECK(tally.explains_death(9));
  CHECK_FALSE(tally.explains_death(9));
  // Noted before the death was noticed, it still counts; a period later it doesn't.
  now += OomTally::kPeriod;
  tally.note(10, now);
  CHECK(tally.explains_death(10));
  now += OomTally::kPeriod;
  tally.note(11, now);
  now += OomTally::kPeriod;
  tally.note(11, now);
  CHECK_FALSE(tally.explains_death(11));
  // More often than a period is as good as once.
  tally.note(12, now + 1ms);
  tally.note(12, now + 2ms);
  CHECK(tally.explains_death(12));
}

TEST_CASE("a count is read from the line that has its name") {
  const std::string text = "low 0\noom 3\noom_kill 12\noom_group_kill 5\n";
  CHECK(count_of("oom_kill", text) == 12);
  CHECK(count_of("oom", text) == 3);
  CHECK(count_of("oom_k", text) == 0);
  CHECK(count_of("oom_kill", "") == 0);
  CHECK(count_of("oom_kill", "oom_kill x\n") == 0);
  CHECK(count_of("oom_kill", "oom_kill") == 0);
}

TEST_CASE("a death for want of memory is labelled OOM") {
  segment::Death death;
  death.observed = segment::Observed::kOom;
  death.wait_status = 9;
  CHECK(segment::describe(death, {}) == "OOM: killed by the kernel for want of memory");
  CHECK(segment::judge(segment::Channel::kMailbox, 1, segment::Observed::kOom, 0) ==
        segment::Verdict::kDrop);
}
