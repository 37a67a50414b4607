#include <doctest/doctest.h>

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "peeper/message.hpp"
#include "sdk_test_message.hpp"

using peeper::Args;
using peeper::Kind;
using peeper::Message;
using peeper::test::TestArgs;
using peeper::test::TestMessage;

TEST_CASE("a message gives its name, kind, sender and arguments") {
  TestMessage raw(peeper::abi::MessageKind::kCall, "add", {"5", "x"});
  raw.message.from = {7, 2, 0};
  const Message message(raw.message);
  CHECK(message.name() == "add");
  CHECK(message.kind() == Kind::call);
  CHECK(message.size() == 2);
  CHECK(message.arg(1) == "x");
  CHECK(message.from().request == 7);
  CHECK(message.from().epoch == 2);
  CHECK(message.from());
  CHECK(!peeper::From{});

  std::string all;
  for (const std::string_view argument : message) all += argument;
  CHECK(all == "5x");
  CHECK(Message(TestMessage(peeper::abi::MessageKind::kInfo, "tick", {}).message).empty());
}

TEST_CASE("an argument that is missing is told by name and number") {
  const TestMessage raw(peeper::abi::MessageKind::kCall, "add", {"5"});
  const Message message(raw.message);
  CHECK_THROWS_WITH_AS((void)message.arg(1),
                       "message 'add' has 1 argument(s), so none with index 1", std::out_of_range);
  CHECK(message.arg_or(1, "none") == "none");
  CHECK(message.arg_or(0, "none") == "5");
  CHECK(!message.integer(1));
}

TEST_CASE("arguments are numbers only from the first to the last character") {
  const TestMessage raw(
      peeper::abi::MessageKind::kCall, "n",
      {"-12", "12x", "", " 1", "+1", "9223372036854775808", "1.5", "1e3", "inf", "nan"});
  const Message message(raw.message);
  CHECK(message.integer(0) == -12);
  for (std::size_t i = 1; i < message.size(); ++i) CHECK(!message.integer(i));
  CHECK(message.number(0) == -12.0);
  CHECK(message.number(6) == 1.5);
  CHECK(message.number(7) == 1000.0);
  for (const std::size_t i : {1u, 2u, 3u, 4u, 8u, 9u, 10u}) CHECK(!message.number(i));
}

TEST_CASE("init's arguments are one text or a table") {
  const TestArgs none({}, false);
  CHECK(none.args.text("fallback") == "fallback");
  CHECK(none.args.integer(3) == 3);

  const TestArgs text({"42"}, false);
  CHECK(text.args.text() == "42");
  CHECK(text.args.integer() == 42);
  CHECK(!text.args.get("42"));
  CHECK(!text.args.named());

  const TestArgs table({"start", "5", "name", "x"}, true);
  CHECK(table.args.named());
  CHECK(table.args.get("name") == "x");
  CHECK(!table.args.get("x"));
  CHECK(table.args.integer("start") == 5);
  CHECK(!table.args.integer("end"));
  CHECK_THROWS_AS((void)table.args.text(), std::invalid_argument);
}

TEST_CASE("an argument of init that should be a number says what it got") {
  CHECK_THROWS_WITH_AS((void)TestArgs({"many"}, false).args.integer(),
                       "state must be an integer, got 'many'", std::invalid_argument);
  CHECK_THROWS_WITH_AS((void)TestArgs({"start", ""}, true).args.integer("start"),
                       "state.start must be an integer, got ''", std::invalid_argument);
}
