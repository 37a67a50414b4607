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
  raw.message.from = {7, 5, 2, 0};
  const Message message(raw.message);
  CHECK(message.name() == "add");
  CHECK(message.kind() == Kind::call);
  CHECK(message.size() == 2);
  CHECK(message.arg(1) == "x");
  CHECK(message.from().request == 7);
  CHECK(message.from().server == 5);
  CHECK(message.from().epoch == 2);
  CHECK(message.from());
  CHECK(!message.answer());
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

TEST_CASE("an answer is an info that tells its reference and what was replied") {
  TestMessage raw(peeper::abi::MessageKind::kAnswer, "answer", {"$2\r\n42\r\n"});
  raw.message.reference = 9;
  const Message message(raw.message);
  CHECK(message.kind() == Kind::info);
  CHECK(message.name() == "answer");
  const auto answer = message.answer();
  REQUIRE(answer);
  CHECK(answer->reference() == peeper::Reference{9});
  CHECK(!answer->is_error());
  CHECK(answer->text() == "42");
  CHECK(answer->integer() == 42);
  CHECK(answer->bytes() == "$2\r\n42\r\n");
}

TEST_CASE("an answer is read as what it is") {
  const auto answer = [](std::string_view bytes) { return peeper::Answer({1}, bytes); };
  CHECK(answer("-NOSERVER no server 'x'\r\n").is_error());
  CHECK(answer("-NOSERVER no server 'x'\r\n").error() == "NOSERVER no server 'x'");
  CHECK(!answer("-NOSERVER no server 'x'\r\n").text());
  CHECK(answer("!5\r\nA\r\nB!\r\n").error() == "A\r\nB!");
  CHECK(answer("+OK\r\n").text() == "OK");
  CHECK(answer("+OK\r\n").error().empty());
  CHECK(answer("$0\r\n\r\n").text() == "");
  CHECK(answer("$4\r\n\r\n\r\n\r\n").text() == "\r\n\r\n");
  CHECK(answer("=8\r\ntxt:some\r\n").text() == "some");
  CHECK(answer(":-7\r\n").integer() == -7);
  CHECK(answer(":-7\r\n").number() == -7.0);
  CHECK(!answer(":-7\r\n").text());
  CHECK(answer(",2.5\r\n").number() == 2.5);
  CHECK(!answer(",2.5\r\n").integer());
  CHECK(answer("$3\r\n1.5\r\n").number() == 1.5);
  CHECK(answer("_\r\n").is_null());
  CHECK(!answer("_\r\n").text());
  CHECK(!answer("*1\r\n:1\r\n").integer());
}

TEST_CASE("an answer that is no whole value is neither text nor number") {
  for (const std::string_view bytes :
       {"", "$", "$5", "$5\r\n", "$5\r\nhell\r\n", "$5\r\nhello!\r\n", "$-1\r\n", "$x\r\nx\r\n",
        "$99999999999999999999\r\nx\r\n", "$18446744073709551615\r\n\r\n", "+OK", "+", ":1", ":",
        ":1\r\n:2\r\n", "=3\r\ntxt\r\n", "$\r\n\r\n"}) {
    CAPTURE(bytes);
    const peeper::Answer answer({1}, bytes);
    CHECK(!answer.text());
    CHECK(!answer.integer());
    CHECK(!answer.number());
    CHECK(answer.error().empty());
    // As an error, it is one of which nothing is known.
    std::string error(bytes);
    if (error.empty()) continue;
    error[0] = error[0] == '$' ? '!' : '-';
    CHECK(peeper::Answer({1}, error).is_error());
  }
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
