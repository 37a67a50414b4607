// What `peeper watch` makes of two states.
#include <doctest/doctest.h>

#include <boost/json.hpp>
#include <random>
#include <string>

#include "common/resp/reply.hpp"
#include "common/resp/writer.hpp"
#include "daemon/cli/watch.hpp"

using namespace peeper;
using namespace peeper::cli;
using resp::Reply;

namespace {

Reply reply(std::string_view bytes) {
  auto read = resp::read_value(bytes);
  REQUIRE(read.has_value());
  REQUIRE(read->bytes == bytes.size());
  return std::move(read->reply);
}

std::string shown(std::string_view before, std::string_view after, DiffStyle style = {}) {
  const Reply a = reply(before);
  const Reply b = reply(after);
  return render_differences(differences(a, b), style);
}

Reply random_reply(std::mt19937& random, int depth) {
  Reply value;
  switch (random() % (depth > 3 ? 3 : 6)) {
    case 0: value.type = Reply::Type::kInteger; value.integer = static_cast<int>(random() % 4); break;
    case 1: value.type = Reply::Type::kBulk; value.text = std::string(random() % 3, 'a'); break;
    case 2: value.type = Reply::Type::kNull; break;
    case 3:
      value.type = Reply::Type::kArray;
      for (auto i = random() % 4; i > 0; --i) value.elements.push_back(random_reply(random, depth + 1));
      break;
    case 4:
      value.type = Reply::Type::kMap;
      for (auto i = random() % 4; i > 0; --i) {
        Reply key;
        key.type = Reply::Type::kInteger;
        key.integer = static_cast<std::int64_t>(i);
        value.elements.push_back(key);
        value.elements.push_back(random_reply(random, depth + 1));
      }
      break;
    default: value.type = Reply::Type::kBoolean; value.integer = random() % 2; break;
  }
  return value;
}

}  // namespace

TEST_CASE("watch: scalars, maps, arrays and sets: what was added, removed, changed, and where") {
  CHECK(shown(":1\r\n", ":1\r\n") == "");
  CHECK(shown(":1\r\n", ":2\r\n") == "~ 1 -> 2\n");
  CHECK(shown(":1\r\n", "$1\r\n1\r\n") == "~ 1 -> 1\n");  // another type
  CHECK(shown("%2\r\n+a\r\n:1\r\n+b\r\n:2\r\n", "%2\r\n+b\r\n:3\r\n+c\r\n*1\r\n:7\r\n") ==
        "~ b: 2 -> 3\n+ c: [7]\n- a: 1\n");
  CHECK(shown("*3\r\n:1\r\n:2\r\n:3\r\n", "*2\r\n:1\r\n:9\r\n") == "~ 1: 2 -> 9\n- 2: 3\n");
  CHECK(shown("*0\r\n", "*1\r\n_\r\n") == "+ 0: (nil)\n");
  CHECK(shown("~2\r\n+a\r\n+b\r\n", "~2\r\n+b\r\n+c\r\n") == "+ c: c\n- a: a\n");
  CHECK(shown("%1\r\n+accounts\r\n%1\r\n:42\r\n%1\r\n+balance\r\n:1\r\n",
              "%1\r\n+accounts\r\n%1\r\n:42\r\n%1\r\n+balance\r\n:5\r\n") ==
        "~ accounts.42.balance: 1 -> 5\n");
  CHECK(shown("%1\r\n+a.b\r\n:1\r\n", "%1\r\n+a.b\r\n:2\r\n") == "~ \"a.b\": 1 -> 2\n");
}

TEST_CASE("watch: keys that are no text are kept apart, and nothing of a value commands a terminal") {
  CHECK(shown("%1\r\n$1\r\n\xff\r\n:1\r\n", "%1\r\n$1\r\n\xfe\r\n:1\r\n") ==
        "+ \\xfe: 1\n- \\xff: 1\n");
  CHECK(shown("$1\r\na\r\n", "$5\r\n\x1b[2J\n\r\n") == "~ a -> \\x1b[2J\\n\n");
  const std::string out =
      shown(":1\r\n", "$20\r\n" + std::string(20, 'x') + "\r\n", {.colour = true, .columns = 10});
  CHECK(out == "\033[33m~ 1 -> xx~\033[0m\n");
  CHECK(shown("*1\r\n:1\r\n", "*2\r\n:1\r\n:2\r\n", {.colour = true, .columns = 80}) ==
        "\033[32m+ 1: 2\033[0m\n");
  CHECK(shown("*1\r\n:1\r\n", "*0\r\n", {.colour = true, .columns = 80}) ==
        "\033[31m- 0: 1\033[0m\n");
}

TEST_CASE("watch: there is a difference if and only if two states differ") {
  std::mt19937 random{11};
  int same = 0;
  for (int i = 0; i < 20'000; ++i) {
    const Reply a = random_reply(random, 0);
    const Reply b = random() % 3 == 0 ? a : random_reply(random, 0);
    if (is_same(a, b)) ++same;
    CHECK(differences(a, b).empty() == is_same(a, b));
  }
  CHECK(same > 1'000);
}

TEST_CASE("watch: as JSON, one object a change") {
  const Reply before = reply("%2\r\n+a\r\n:1\r\n+b\r\n:2\r\n");
  const Reply after = reply("%2\r\n+a\r\n*1\r\n+x\r\n+c\r\n:3\r\n");
  const std::string line =
      render_differences_json("count\"er", 17, 3, differences(before, after));
  CHECK(line.find('\n') == line.npos);
  const auto value = boost::json::parse(line);
  CHECK(value.at("server") == "count\"er");
  CHECK(value.at("sequence") == 17);
  CHECK(value.at("times") == 3);
  CHECK(boost::json::serialize(value.at("changes")) ==
        "[{\"path\":\"a\",\"before\":1,\"after\":[\"x\"]},{\"path\":\"c\",\"after\":3},"
        "{\"path\":\"b\",\"before\":2}]");
}
