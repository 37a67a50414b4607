// What Redis clients expect of a server, and what they must not be surprised by.
#include <doctest/doctest.h>

#include "instance.hpp"
#include "raw_client.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

using Type = resp::Reply::Type;

// QUIT ends the connection, so that all that comes is all there is.
std::string answers(const Instance& peeperd, const std::string& commands) {
  RawClient client{peeperd.socket()};
  client.send(commands + "QUIT\r\n");
  return client.receive_to_end();
}

Connection connected(const Instance& peeperd) {
  auto client = Connection::connect(peeperd.socket(), kPatience);
  require(client.has_value(), "cannot connect");
  return *std::move(client);
}

}  // namespace

TEST_CASE("inline commands are words between blanks, quoted where needed") {
  Instance peeperd{counter_config()};
  peeperd.start();
  CHECK(answers(peeperd, "PING\r\n") == "+PONG\r\n+OK\r\n");
  CHECK(answers(peeperd, "PING\n") == "+PONG\r\n+OK\r\n");
  CHECK(answers(peeperd, "  call \t counter   inc  \r\n") == ":1\r\n+OK\r\n");
  CHECK(answers(peeperd, "CALL counter \"add\" '41'\n") == ":42\r\n+OK\r\n");
  CHECK(answers(peeperd, "PING \"a b\\x21\\n\"\n") == "$5\r\na b!\n\r\n+OK\r\n");
  peeperd.stop();
}

TEST_CASE("empty commands are skipped without a reply") {
  Instance peeperd{counter_config()};
  peeperd.start();
  CHECK(answers(peeperd, "\r\n\n   \r\n*0\r\n*0\r\nPING\r\n\r\n*0\r\n") == "+PONG\r\n+OK\r\n");
  peeperd.stop();
}

TEST_CASE("inline and RESP commands may alternate, and names know no case") {
  Instance peeperd{counter_config()};
  peeperd.start();
  CHECK(answers(peeperd, "call counter inc\r\n*3\r\n$4\r\nCaLl\r\n$7\r\ncounter\r\n$3\r\ninc\r\n"
                         "cAsT counter inc\nsys get_state counter\npInG\n") ==
        ":1\r\n:2\r\n+OK\r\n*2\r\n$5\r\ncount\r\n:3\r\n+PONG\r\n+OK\r\n");
  peeperd.stop();
}

TEST_CASE("a state and the children are maps in RESP3 and arrays before") {
  Instance peeperd{counter_config()};
  peeperd.start();
  Connection client = connected(peeperd);
  const auto state_2 = client.command({"SYS", "GET_STATE", "counter"}, kPatience);
  const auto children_2 = client.command({"SUPERVISOR", "WHICH_CHILDREN"}, kPatience);
  REQUIRE(client.hello(3, kPatience).has_value());
  const auto state_3 = client.command({"SYS", "GET_STATE", "counter"}, kPatience);
  const auto children_3 = client.command({"SUPERVISOR", "WHICH_CHILDREN"}, kPatience);
  REQUIRE(client.hello(2, kPatience).has_value());
  const auto state_again = client.command({"SYS", "GET_STATE", "counter"}, kPatience);

  CHECK(state_2->type == Type::kArray);
  CHECK(state_3->type == Type::kMap);
  CHECK(state_again->type == Type::kArray);
  CHECK(text_of(state_2) == "[count 0]");
  CHECK(text_of(state_3) == "[count 0]");

  REQUIRE(children_2->type == Type::kArray);
  REQUIRE(children_3->type == Type::kArray);
  REQUIRE(children_2->elements.size() == 1);
  const resp::Reply& child_2 = children_2->elements[0];
  const resp::Reply& child_3 = children_3->elements[0];
  CHECK(child_2.type == Type::kArray);
  REQUIRE(child_3.type == Type::kMap);
  REQUIRE(child_2.elements.size() == child_3.elements.size());
  for (std::size_t i = 0; i < child_3.elements.size(); i += 2)
    CHECK(child_2.elements[i].text == child_3.elements[i].text);
  CHECK(child_3.field("in_message")->type == Type::kBoolean);
  for (std::size_t i = 0; i < child_2.elements.size(); i += 2)
    if (child_2.elements[i].text == "in_message")
      CHECK(child_2.elements[i + 1].type == Type::kInteger);
  peeperd.stop();
}

TEST_CASE("HELLO tells who we are, and refuses what we are not without changing anything") {
  Instance peeperd{counter_config()};
  peeperd.start();
  Connection client = connected(peeperd);
  const auto hello = client.hello(3, kPatience);
  REQUIRE(hello->type == Type::kMap);
  CHECK(hello->field("server")->text == "peeper");
  CHECK(hello->field("proto")->integer == 3);
  CHECK(hello->field("id")->integer > 0);
  CHECK(text_of(client.command({"HELLO", "3", "SETNAME", "tester"}, kPatience)).front() == '[');
  CHECK(text_of(client.command({"CLIENT", "GETNAME"}, kPatience)) == "tester");

  CHECK(text_of(client.hello(4, kPatience)) == "-NOPROTO unsupported protocol version");
  CHECK(text_of(client.command({"HELLO", "three"}, kPatience)).starts_with("-NOPROTO"));
  CHECK(text_of(client.command({"HELLO", "2", "AUTH", "u", "p"}, kPatience))
            .starts_with("-DENIED there are no users here"));
  CHECK(text_of(client.command({"HELLO", "2", "SETNAME"}, kPatience)) ==
        "-ERR syntax error in HELLO");
  CHECK(text_of(client.command({"HELLO", "2", "SETNAME", "x", "NONSENSE"}, kPatience)) ==
        "-ERR syntax error in HELLO");
  // Still RESP3, still the same name.
  CHECK(client.command({"SYS", "GET_STATE", "counter"}, kPatience)->type == Type::kMap);
  CHECK(text_of(client.command({"CLIENT", "GETNAME"}, kPatience)) == "tester");
  peeperd.stop();
}

TEST_CASE("CLIENT, INFO, COMMAND, PING and ECHO answer what clients ask at their start") {
  Instance peeperd{counter_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"PING"}) == "PONG");
  CHECK(talk({"PING", "hello"}) == "hello");
  CHECK(talk({"ECHO", "hello"}) == "hello");
  CHECK(talk({"CLIENT", "SETNAME", "me"}) == "OK");
  CHECK(talk({"CLIENT", "GETNAME"}) == "me");
  CHECK(talk({"CLIENT", "SETINFO", "LIB-NAME", "test"}) == "OK");
  const std::string id = talk({"CLIENT", "ID"});
  CHECK(id != peeperd.talk()({"CLIENT", "ID"}));
  CHECK(id == talk({"CLIENT", "ID"}));
  CHECK(talk({"CLIENT", "LIST"}).starts_with("-BADARG usage: CLIENT SETNAME name"));

  CHECK(talk({"CALL", "counter", "state"}) == "0");  // its worker has begun
  const std::string info = talk({"INFO"});
  CHECK(info.find("process_id:" + std::to_string(peeperd.daemon().pid()) + "\r\n") !=
        std::string::npos);
  CHECK(info.find("instance:" + peeperd.name() + "\r\n") != std::string::npos);
  CHECK(info.find("counter:state=running,crashes=0,mailbox=0\r\n") != std::string::npos);

  const auto commands = talk.reply({"COMMAND"});
  REQUIRE(commands->type == Type::kArray);
  CHECK(talk({"COMMAND", "COUNT"}) == std::to_string(commands->elements.size()));
  CHECK(text_of(commands).find("[call -3 [] 0 0 0]") != std::string::npos);
  CHECK(talk.reply({"COMMAND", "DOCS"})->type == Type::kMap);
  peeperd.stop();
}

TEST_CASE("QUIT answers, closes, and nothing behind it is executed") {
  Instance peeperd{counter_config()};
  peeperd.start();
  RawClient client{peeperd.socket()};
  REQUIRE(client.send("CAST counter inc\r\nQUIT\r\nCAST counter inc\r\nPING\r\n"));
  CHECK(client.receive_to_end() == "+OK\r\n+OK\r\n");
  CHECK(peeperd.talk()({"CALL", "counter", "state"}) == "1");
  peeperd.stop();
}

TEST_CASE("after USE the verbs that are not ours are calls, on that connection only") {
  Instance peeperd{counter_config() + counter_config("other")};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"inc"}).starts_with("-ERR unknown command 'inc'"));
  CHECK(talk({"USE", "nobody"}).starts_with("-NOSERVER there is no server 'nobody'"));
  CHECK(talk({"inc"}).starts_with("-ERR unknown command 'inc'"));
  CHECK(talk({"USE", "counter"}) == "OK");
  CHECK(talk({"inc"}) == "1");
  CHECK(talk({"add", "41"}) == "42");
  CHECK(talk({"segv"}) == "-CRASHED counter: SIGSEGV at 0x0 in 'segv'");
  CHECK(talk({"INC"}).starts_with("-BADARG counter knows no message 'INC'"));
  CHECK(talk({"PING"}) == "PONG");
  CHECK(talk({"CALL", "other", "inc"}) == "1");
  // A refused USE leaves the former one.
  CHECK(talk({"USE", "nobody"}).starts_with("-NOSERVER"));
  CHECK(talk({"state"}) == "42");
  CHECK(talk({"USE", "other"}) == "OK");
  CHECK(talk({"state"}) == "1");
  CHECK(peeperd.talk()({"inc"}).starts_with("-ERR unknown command 'inc'"));
  peeperd.stop();
}
