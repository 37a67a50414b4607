#include <doctest/doctest.h>

#include <array>
#include <boost/describe/enum.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "peeper/containers.hpp"
#include "peeper/value.hpp"
#include "sdk_test_heap.hpp"

namespace {

using peeper::Value;

std::string bytes(const Value& value) { return std::string(value.bytes()); }

enum class Plain : std::uint8_t { kNone, kSeven = 7 };
enum class Colour { red, green };
BOOST_DESCRIBE_ENUM(Colour, red, green)

struct Point {
  int x = 1;
  int y = 2;
};
struct Line {
  Point from;
  std::array<char, 0> nothing{};
  std::optional<Point> to;
  char name[8] = "ab";
};
struct Nothing {};

}  // namespace

TEST_CASE("numbers are replied as integers, big numbers and doubles") {
  CHECK(bytes(Value(42)) == ":42\r\n");
  CHECK(bytes(Value(std::numeric_limits<std::int64_t>::min())) == ":-9223372036854775808\r\n");
  CHECK(bytes(Value(static_cast<std::uint8_t>(200))) == ":200\r\n");
  CHECK(bytes(Value(std::uint64_t{9223372036854775807u})) == ":9223372036854775807\r\n");
  CHECK(bytes(Value(std::uint64_t{9223372036854775808u})) == "(9223372036854775808\r\n");
  CHECK(bytes(Value(2.5)) == ",2.5\r\n");
  CHECK(bytes(Value(0.5f)) == ",0.5\r\n");
  CHECK(bytes(Value(true)) == "#t\r\n");
  CHECK(bytes(Value(std::chrono::milliseconds(1500))) == ":1500\r\n");
  CHECK(bytes(Value(std::byte{3})) == ":3\r\n");
}

TEST_CASE("nothing is replied as null") {
  CHECK(bytes(Value()) == "_\r\n");
  CHECK(bytes(Value(nullptr)) == "_\r\n");
  CHECK(bytes(Value(std::optional<int>())) == "_\r\n");
  CHECK(bytes(Value(std::monostate())) == "_\r\n");
  const char* none = nullptr;
  CHECK(bytes(Value(none)) == "_\r\n");
}

TEST_CASE("text of every kind is replied as a bulk string") {
  using namespace std::string_view_literals;
  CHECK(bytes(Value("text")) == "$4\r\ntext\r\n");
  CHECK(bytes(Value("a\0b"sv)) == "$3\r\na\0b\r\n"sv);
  CHECK(bytes(Value(std::string("text"))) == "$4\r\ntext\r\n");
  CHECK(bytes(Value(peeper::string("text"))) == "$4\r\ntext\r\n");
  CHECK(bytes(Value('x')) == "$1\r\nx\r\n");
  const char* pointer = "p";
  CHECK(bytes(Value(pointer)) == "$1\r\np\r\n");
  // An array that is full has no zero at its end.
  const char full[3] = {'a', 'b', 'c'};
  CHECK(bytes(Value(full)) == "$3\r\nabc\r\n");
}

TEST_CASE("enums are replied by name when described, else as a number") {
  CHECK(bytes(Value(Colour::green)) == "$5\r\ngreen\r\n");
  CHECK(bytes(Value(static_cast<Colour>(9))) == ":9\r\n");
  CHECK(bytes(Value(Plain::kSeven)) == ":7\r\n");
}

TEST_CASE("sequences are replied as arrays, sets as sets, maps as maps") {
  const peeper::test::TestHeap heap;
  CHECK(bytes(Value(std::vector<int>{1, 2})) == "*2\r\n:1\r\n:2\r\n");
  CHECK(bytes(Value(std::vector<bool>{true})) == "*1\r\n#t\r\n");
  CHECK(bytes(Value(std::array<int, 2>{1, 2})) == "*2\r\n:1\r\n:2\r\n");
  CHECK(bytes(Value(peeper::vector<peeper::string>{"a"})) == "*1\r\n$1\r\na\r\n");
  const int numbers[] = {1, 2};
  CHECK(bytes(Value(numbers)) == "*2\r\n:1\r\n:2\r\n");
  CHECK(bytes(Value(std::span(numbers))) == "*2\r\n:1\r\n:2\r\n");
  CHECK(bytes(Value(std::set<int>{1})) == "~1\r\n:1\r\n");
  CHECK(bytes(Value(peeper::unordered_set<int>{1})) == "~1\r\n:1\r\n");
  CHECK(bytes(Value(std::map<std::string, int>{{"a", 1}})) == "%1\r\n$1\r\na\r\n:1\r\n");
  CHECK(bytes(Value(peeper::map<peeper::string, int>{{"a", 1}})) == "%1\r\n$1\r\na\r\n:1\r\n");
  CHECK(bytes(Value(peeper::flat_map<int, int>{{1, 2}})) == "%1\r\n:1\r\n:2\r\n");
}

TEST_CASE("pairs and tuples are replied as arrays, variants and optionals as what they hold") {
  CHECK(bytes(Value(std::pair(1, "a"))) == "*2\r\n:1\r\n$1\r\na\r\n");
  CHECK(bytes(Value(std::tuple(1, true, 0.5))) == "*3\r\n:1\r\n#t\r\n,0.5\r\n");
  CHECK(bytes(Value(std::optional(5))) == ":5\r\n");
  CHECK(bytes(Value(std::variant<int, std::string>("v"))) == "$1\r\nv\r\n");
}

TEST_CASE("aggregates are replied as maps by the names of their members") {
  CHECK(bytes(Value(Point{})) == "%2\r\n$1\r\nx\r\n:1\r\n$1\r\ny\r\n:2\r\n");
  CHECK(bytes(Value(Line{})) ==
        "%4\r\n$4\r\nfrom\r\n%2\r\n$1\r\nx\r\n:1\r\n$1\r\ny\r\n:2\r\n$7\r\nnothing\r\n*0\r\n"
        "$2\r\nto\r\n_\r\n$4\r\nname\r\n$2\r\nab\r\n");
  CHECK(bytes(Value(Nothing{})) == "%0\r\n");
}

TEST_CASE("values of several kinds make arrays and maps") {
  CHECK(bytes(Value::array({1, "two", nullptr, Value::array({})})) ==
        "*4\r\n:1\r\n$3\r\ntwo\r\n_\r\n*0\r\n");
  CHECK(bytes(Value::map({{"a", 1}, {"b", "c"}})) ==
        "%2\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n$1\r\nc\r\n");
  CHECK(bytes(Value(std::vector<Value>{1, "a"})) == "*2\r\n:1\r\n$1\r\na\r\n");
}

TEST_CASE("an error begins with a word in capitals and is one line") {
  CHECK(bytes(peeper::error("NOTFOUND no such key")) == "-NOTFOUND no such key\r\n");
  CHECK(bytes(peeper::error("NOTFOUND")) == "-NOTFOUND\r\n");
  CHECK(bytes(peeper::error("no such key")) == "-ERR no such key\r\n");
  CHECK(bytes(peeper::error("Not found")) == "-ERR Not found\r\n");
  CHECK(bytes(peeper::error("")) == "-ERR \r\n");
  CHECK(bytes(peeper::error("BAD line\r\n:1")) == "-BAD line  :1\r\n");
  CHECK(bytes(peeper::status("OK")) == "+OK\r\n");
  CHECK(bytes(peeper::status("O\nK")) == "+O K\r\n");
}

TEST_CASE("values are copied and moved with their bytes, short or long") {
  const std::string text(5000, 'x');
  const Value value(text);
  Value copy = value;
  CHECK(copy.bytes() == value.bytes());
  const Value moved = std::move(copy);
  CHECK(moved.bytes() == value.bytes());
  CHECK(moved.bytes().size() == 5000 + 9);
}
