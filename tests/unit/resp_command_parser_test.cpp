#include "common/resp/command_parser.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <memory>
#include <new>
#include <random>
#include <string>
#include <vector>

#include "common/resp/command.hpp"

using peeper::resp::CommandParser;
using peeper::resp::ParserLimits;
using peeper::resp::ParseStatus;

namespace {

using Words = std::vector<std::string>;

struct Outcome {
  std::vector<Words> commands;
  std::string error;
  std::size_t left = 0;  // bytes of an unfinished command

  bool operator==(const Outcome&) const = default;
};

// A copy with nothing behind it that may be read, so that a sanitizer sees a step too far.
class ExactCopy {
 public:
  explicit ExactCopy(std::string_view bytes)
      : bytes_(std::make_unique<char[]>(bytes.size())), size_(bytes.size()) {
    bytes.copy(bytes_.get(), size_);
  }
  [[nodiscard]] std::string_view view() const { return {bytes_.get(), size_}; }

 private:
  std::unique_ptr<char[]> bytes_;
  std::size_t size_;
};

// Feeds `stream` as if it arrived in pieces of `piece` bytes, each time at another address.
Outcome parse_all(std::string_view stream, std::size_t piece, ParserLimits limits = {}) {
  CommandParser parser(limits);
  Outcome outcome;
  std::size_t begin = 0;
  std::size_t arrived = 0;
  while (true) {
    const ExactCopy input(stream.substr(begin, arrived - begin));
    switch (parser.parse(input.view())) {
      case ParseStatus::kCommand:
        REQUIRE(parser.consumed() <= input.view().size());
        REQUIRE(parser.consumed() > 0);
        outcome.commands.emplace_back(parser.arguments().begin(), parser.arguments().end());
        begin += parser.consumed();
        continue;
      case ParseStatus::kError: outcome.error = parser.error(); return outcome;
      case ParseStatus::kIncomplete:
        REQUIRE(parser.wanted() >= 1);
        REQUIRE(parser.wanted() <= limits.bulk_bytes + 2);
        break;
    }
    if (arrived == stream.size()) break;
    arrived = std::min(arrived + piece, stream.size());
  }
  outcome.left = stream.size() - begin;
  return outcome;
}

Outcome parse_at_once(std::string_view stream, ParserLimits limits = {}) {
  const Outcome whole = parse_all(stream, stream.size() + 1, limits);
  CHECK(parse_all(stream, 1, limits) == whole);
  return whole;
}

Words one_command(std::string_view stream) {
  const Outcome outcome = parse_at_once(stream);
  CHECK(outcome.error == "");
  CHECK(outcome.left == 0);
  REQUIRE(outcome.commands.size() == 1);
  return outcome.commands[0];
}

std::string error_of(std::string_view stream, ParserLimits limits = {}) {
  const Outcome outcome = parse_at_once(stream, limits);
  CHECK(outcome.left == 0);
  return outcome.error;
}

thread_local std::size_t allocations = 0;

}  // namespace

// Counts what the parser allocates. Replaces the program's operator new; only counts. Not
// inlined: GCC would take the pair of malloc and delete for a mistake.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
  ++allocations;
  if (void* memory = std::malloc(bytes == 0 ? 1 : bytes)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(bytes == 0 ? 1 : bytes);
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

TEST_SUITE("command parser") {
  TEST_CASE("a command is an array of bulk strings and may hold any bytes") {
    CHECK(one_command("*3\r\n$4\r\nCALL\r\n$7\r\ncounter\r\n$0\r\n\r\n") ==
          Words{"CALL", "counter", ""});
    CHECK(one_command("*1\r\n$6\r\n\r\n$1\r\n\r\n") == Words{"\r\n$1\r\n"});
    CHECK(one_command(std::string_view("*1\r\n$3\r\n\0\xff\n\r\n", 13)) ==
          Words{std::string("\0\xff\n", 3)});
  }

  TEST_CASE("what append_command writes is read back") {
    std::string bytes;
    peeper::resp::append_command(bytes, {"CAST", "counter", "", "a\r\nb"});
    CHECK(one_command(bytes) == Words{"CAST", "counter", "", "a\r\nb"});
  }

  TEST_CASE("pipelined commands come out one by one, each with its own length") {
    const Outcome outcome =
        parse_at_once("*1\r\n$4\r\nPING\r\nPING\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n");
    CHECK(outcome.commands == std::vector<Words>{{"PING"}, {"PING"}, {"a", "b"}});
    CHECK(outcome.left == 0);
  }

  TEST_CASE("every proper prefix of a command is incomplete") {
    for (const std::string stream :
         {"*2\r\n$4\r\nPING\r\n$12\r\nhello\r\nworld\r\n", "CALL counter \"a b\" 'c'\r\n"}) {
      for (std::size_t size = 0; size < stream.size(); ++size) {
        const ExactCopy prefix(std::string_view(stream).substr(0, size));
        CommandParser parser;
        CHECK(parser.parse(prefix.view()) == ParseStatus::kIncomplete);
        CHECK(parser.parse(stream) == ParseStatus::kCommand);
        CHECK(parser.consumed() == stream.size());
      }
    }
  }

  TEST_CASE("the arguments are views into the input of the last call") {
    const std::string early = "*1\r\n$4\r\nPI";
    const std::string whole = "*1\r\n$4\r\nPING\r\n";
    CommandParser parser;
    REQUIRE(parser.parse(early) == ParseStatus::kIncomplete);
    REQUIRE(parser.parse(whole) == ParseStatus::kCommand);
    CHECK(parser.arguments()[0].data() == whole.data() + 8);
  }

  TEST_CASE("an incomplete argument tells how many bytes are missing") {
    CommandParser parser;
    REQUIRE(parser.parse("*1\r\n$1000\r\nabc") == ParseStatus::kIncomplete);
    CHECK(parser.wanted() == 997 + 2);
    CommandParser other;
    REQUIRE(other.parse("*1\r\n$10") == ParseStatus::kIncomplete);
    CHECK(other.wanted() == 1);
  }

  TEST_CASE("an empty line and an empty array are commands without arguments") {
    CHECK(one_command("\r\n") == Words{});
    CHECK(one_command("\n") == Words{});
    CHECK(one_command(" \t \r\n") == Words{});
    CHECK(one_command("*0\r\n") == Words{});
  }

  TEST_CASE("inline words are separated by any number of blanks") {
    CHECK(one_command("  CALL\tcounter   add 5 \r\n") == Words{"CALL", "counter", "add", "5"});
    CHECK(one_command("PING\n") == Words{"PING"});
    CHECK(one_command(std::string_view("a\0b\n", 4)) == Words{std::string("a\0b", 3)});
  }

  TEST_CASE("double quotes keep blanks and know escapes") {
    CHECK(one_command(R"(SET "a b" "\n\r\t\b\a" "\x41\xfF" "\"\\" "")"
                      "\r\n") == Words{"SET", "a b", "\n\r\t\b\a", "A\xff", "\"\\", ""});
    CHECK(one_command("\"\\xg1\" \"\\q\"\n") == Words{"xg1", "q"});
    CHECK(one_command("pre\"fix ed\" end\n") == Words{"prefix ed", "end"});
  }

  TEST_CASE("single quotes know one escape only") {
    CHECK(one_command(R"('a b' '\n' 'it\'s' '"' '')"
                      "\n") == Words{"a b", "\\n", "it's", "\"", ""});
  }

  TEST_CASE("many quoted words stay valid together") {
    std::string line;
    Words expected;
    for (int i = 0; i < 500; ++i) {
      line += "\"w " + std::to_string(i) + "\" ";
      expected.push_back("w " + std::to_string(i));
    }
    CHECK(one_command(line + "\n") == expected);
  }

  TEST_CASE("unbalanced quotes are an error") {
    const std::string unbalanced = "ERR Protocol error: unbalanced quotes in request";
    for (const char* line : {"\"abc\n", "'abc\n", "\"abc\"d\n", "'a'b\n", "\"abc\\\n", "a\"\n"}) {
      CAPTURE(line);
      CHECK(error_of(line) == unbalanced);
    }
  }

  TEST_CASE("a number of arguments that is no plain number within the limit is an error") {
    for (const char* count : {"9223372036854775808", "18446744073709551617", "-1", "-0", "+5", " 5",
                              "5 ", "05", "00", "", "x", "1048577", "2147483648", "1\r", "1e3"}) {
      CAPTURE(count);
      CHECK(error_of("*" + std::string(count) + "\r\n") ==
            "ERR Protocol error: invalid multibulk length");
    }
  }

  TEST_CASE("a length of an argument that is no plain number within the limit is an error") {
    for (const char* length : {"9223372036854775808", "9223372036854775807", "18446744073709551615",
                               "-1", "+5", " 5", "05", "", "x", "536870913"}) {
      CAPTURE(length);
      CHECK(error_of("*1\r\n$" + std::string(length) + "\r\n") ==
            "ERR Protocol error: invalid bulk length");
    }
  }

  TEST_CASE("an argument of another length than announced is an error") {
    CHECK(error_of("*1\r\n$3\r\nPING\r\n") == "ERR Protocol error: invalid bulk length");
    CHECK(error_of("*1\r\n$3\r\nabc\n\n") == "ERR Protocol error: invalid bulk length");
    CHECK(error_of("*1\r\n$3\rxabc\r\n") == "ERR Protocol error: invalid bulk length");
    CHECK(error_of("*1\rx") == "ERR Protocol error: invalid multibulk length");
  }

  TEST_CASE("an argument that is no bulk string is named in the error, on one line") {
    CHECK(error_of("*1\r\n:5\r\n") == "ERR Protocol error: expected '$', got ':'");
    CHECK(error_of("*1\r\n\r\n") == "ERR Protocol error: expected '$', got '\\x0d'");
    CHECK(error_of("*1\r\n\xff") == "ERR Protocol error: expected '$', got '\\xff'");
  }

  TEST_CASE("a line that never ends is an error once it passes its limit") {
    ParserLimits limits;
    limits.inline_bytes = 16;
    CHECK(error_of(std::string(17, 'a'), limits) == "ERR Protocol error: too big inline request");
    CHECK(error_of(std::string(30, 'a') + "\r\n", limits) ==
          "ERR Protocol error: too big inline request");
    CHECK(error_of("*" + std::string(16, '1'), limits) ==
          "ERR Protocol error: too big mbulk count string");
    CHECK(error_of("*1\r\n$" + std::string(16, '1'), limits) ==
          "ERR Protocol error: too big bulk count string");
    CHECK(parse_at_once(std::string(15, 'a') + "\n", limits).commands.size() == 1);
  }

  TEST_CASE("a command larger than allowed is refused by what it announces") {
    ParserLimits limits;
    limits.command_bytes = 32;
    CHECK(error_of("*1\r\n$23\r\n", limits) == "ERR Protocol error: too big command");
    CHECK(parse_at_once("*1\r\n$21\r\n" + std::string(21, 'x') + "\r\n", limits).commands.size() ==
          1);
    limits.arguments = 2;
    CHECK(error_of("*3\r\n", limits) == "ERR Protocol error: invalid multibulk length");
    CHECK(error_of("a b c\n", limits) == "ERR Protocol error: too big inline request");
  }

  TEST_CASE("an error is for good") {
    CommandParser parser;
    REQUIRE(parser.parse("*x\r\n") == ParseStatus::kError);
    CHECK(parser.parse("PING\r\n") == ParseStatus::kError);
    CHECK(parser.error() == "ERR Protocol error: invalid multibulk length");
    CHECK(parser.arguments().empty());
  }

  TEST_CASE("announced sizes allocate nothing and steady traffic reuses its memory") {
    const std::string announced = "*1048576\r\n$536000000\r\nabc";
    CommandParser parser;
    allocations = 0;
    CHECK(parser.parse(announced) == ParseStatus::kIncomplete);
    const std::size_t for_announced = allocations;
    CHECK(for_announced == 0);

    const std::string commands[] = {"*2\r\n$4\r\nCALL\r\n$3\r\nabc\r\n", "CALL \"a b\" 'c' d\r\n"};
    CommandParser busy;
    for (const std::string& command : commands) {
      REQUIRE(busy.parse(command) == ParseStatus::kCommand);
    }
    allocations = 0;
    int parsed = 0;
    for (int i = 0; i < 1000; ++i) {
      parsed += busy.parse(commands[i % 2]) == ParseStatus::kCommand ? 1 : 0;
    }
    const std::size_t for_traffic = allocations;
    CHECK(parsed == 1000);
    CHECK(for_traffic == 0);
  }

  TEST_CASE("random bytes, in any pieces, parse as they do at once") {
    // Mostly bytes that lead somewhere.
    constexpr std::string_view kAlphabet = "**$$\r\n\r\n\r\n0123456789-+ \"'\\xab";
    ParserLimits limits;
    limits.arguments = 5;
    limits.bulk_bytes = 20;
    limits.command_bytes = 60;
    limits.inline_bytes = 24;
    for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
      CAPTURE(seed);
      std::mt19937_64 random(seed);
      std::string stream;
      const std::size_t size = random() % 120;
      while (stream.size() < size) {
        switch (random() % 8) {
          case 0: stream += "*2\r\n$3\r\nabc\r\n$1\r\n"; break;
          case 1: stream += "*1\r\n"; break;
          case 2: stream += "$4\r\n"; break;
          case 3: stream += static_cast<char>(random()); break;
          default: stream += kAlphabet[random() % kAlphabet.size()];
        }
      }
      const Outcome whole = parse_all(stream, stream.size() + 1, limits);
      const bool same = parse_all(stream, 1, limits) == whole &&
                        parse_all(stream, 1 + random() % 7, limits) == whole;
      REQUIRE(same);
    }
  }
}
