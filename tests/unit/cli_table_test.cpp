// Tables for people: words to the left, numbers to the right, and what fits a terminal.
#include <doctest/doctest.h>

#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

#include "common/resp/reply.hpp"
#include "daemon/cli/local_time.hpp"
#include "daemon/cli/render_crashes.hpp"
#include "daemon/cli/table.hpp"

using namespace peeper::cli;

namespace {

const std::vector<Column> kColumns{{"NAME"}, {"N", Align::kRight}, {"TEXT"}};

std::string row(const char* name, const char* number, const char* text) {
  return std::string(name) + number + text + "\n";
}

}  // namespace

TEST_CASE("table: words stand at the left, numbers at the right, the last column isn't filled") {
  CHECK(table_of(kColumns, {{"a", "7", "x"}, {"longer", "12345", ""}, {"\xc3\xa4", "10", "y z"}}) ==
        row("NAME    ", "    N  ", "TEXT") +
            row("a       ", "    7  ", "x") +
            row("longer  ", "12345  ", "") +
            row("\xc3\xa4       ", "   10  ", "y z"));
  CHECK(table_of(kColumns, {}) == "NAME  N  TEXT\n");
}

TEST_CASE("table: it fits a terminal by what is cut of the first column, and of that alone") {
  const std::vector<TableRow> rows{{"1234567890", "1", "abc"}, {"b", "22", "d"}};
  const std::vector<std::string> cut{"NAME      N TEXT", "1234567~  1 abc", "b        22 d"};
  CHECK(table_lines(kColumns, rows, {.gap = 1, .terminal = 16}) == cut);
  const std::vector<std::string> whole{"NAME        N TEXT", "1234567890  1 abc",
                                       "b          22 d"};
  CHECK(table_lines(kColumns, rows, {.gap = 1, .terminal = 18}) == whole);
  // Never shorter than the title.
  const std::vector<std::string> least{"NAME  N TEXT", "123~  1 abc", "b    22 d"};
  CHECK(table_lines(kColumns, rows, {.gap = 1, .terminal = 5}) == least);
}

TEST_CASE("table: crashes have their numbers at the right") {
  const auto crash = [](const char* server, const char* number, const char* same) {
    return "%5\r\n+server\r\n+" + std::string(server) + "\r\n+number\r\n:" + number +
           "\r\n+time\r\n+T\r\n+same_place\r\n:" + same + "\r\n+text\r\n+SIGSEGV\r\n";
  };
  const auto read =
      peeper::resp::read_value("*2\r\n" + crash("a", "9", "1") + crash("b", "10", "12"));
  REQUIRE(read.has_value());
  CHECK(render_crashes(read->reply, Target::kPipe) ==
        "SERVER   N  TIME  PLACE  CAUSE\n"
        "a        9  T        1x  SIGSEGV\n"
        "b       10  T       12x  SIGSEGV\n");
}

TEST_CASE("time of day: local, with milliseconds, what is no time stays what it is, escaped") {
  const char* before = std::getenv("TZ");
  const std::string kept = before == nullptr ? "" : before;
  ::setenv("TZ", "XYZ-02:30", 1);
  ::tzset();
  CHECK(time_of_day("2031-05-06T23:08:09.007Z") == "01:38:09.007");
  CHECK(time_of_day("no\ntime") == "no\\ntime");
  CHECK(time_of_day_now(Digits::kSeconds).size() == 8);
  CHECK(time_of_day_now(Digits::kMilliseconds).size() == 12);
  if (before == nullptr)
    ::unsetenv("TZ");
  else
    ::setenv("TZ", kept.c_str(), 1);
  ::tzset();
}
