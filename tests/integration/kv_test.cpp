// The kv example: what each command replies, byte for byte. Where redis-server is installed, every
// table of replies is checked against it too.
#include <doctest/doctest.h>
#include <signal.h>

#include "instance.hpp"
#include "redis_server.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

std::string kv_config() {
  return "[[server]]\nname = \"kv\"\nbehaviour = \"kv\"\nmax_restarts = 1000000\n"
         "state_size = \"16MiB\"\n";
}

struct Row {
  Words command;
  std::string reply;
};

void check_replies(const std::string& socket, const std::vector<Row>& rows,
                   std::optional<std::string> used) {
  std::vector<Words> commands;
  for (const Row& row : rows) commands.push_back(row.command);
  const Words replies = replies_of(socket, commands, used);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::string command;
    for (const std::string& word : rows[i].command) command += word + " ";
    CAPTURE(command);
    CHECK(replies[i] == rows[i].reply);
  }
}

void check(const std::vector<Row>& rows) {
  Instance peeperd{kv_config()};
  peeperd.start();
  check_replies(peeperd.socket(), rows, "kv");
  if (RedisServer::is_installed()) {
    INFO("redis-server");
    check_replies(RedisServer{peeperd.directory()}.socket(), rows, {});
  }
  peeperd.stop();
}

const std::string kOk = "+OK\r\n";
const std::string kNull = "$-1\r\n";
std::string text(const std::string& value) {
  return "$" + std::to_string(value.size()) + "\r\n" + value + "\r\n";
}
std::string number(std::int64_t value) { return ":" + std::to_string(value) + "\r\n"; }
std::string array(const std::vector<std::string>& elements) {
  std::string all = "*" + std::to_string(elements.size()) + "\r\n";
  for (const std::string& element : elements) all += element;
  return all;
}
std::string error(const std::string& line) { return "-ERR " + line + "\r\n"; }
const std::string kNotAnInteger = error("value is not an integer or out of range");

// A client of the server, as USE makes it one.
Talk kv_client(const Instance& peeperd) {
  Talk talk = peeperd.talk();
  REQUIRE(talk({"USE", "kv"}) == "OK");
  return talk;
}

}  // namespace

TEST_CASE("kv: SET and GET, with every option") {
  check({
      {{"GET", "k"}, kNull},
      {{"SET", "k", "1"}, kOk},
      {{"GET", "k"}, text("1")},
      {{"get", "k"}, text("1")},
      {{"GeT", "k"}, text("1")},
      {{"SET", "k", "2", "NX"}, kNull},
      {{"SET", "k", "3", "xx"}, kOk},
      {{"SET", "new", "4", "XX"}, kNull},
      {{"SET", "new", "4", "nx"}, kOk},
      {{"SET", "k", "5", "GET"}, text("3")},
      {{"SET", "k", "6", "NX", "GET"}, text("5")},
      {{"SET", "absent", "7", "XX", "GET"}, kNull},
      {{"SET", "absent", "7", "NX", "GET"}, kNull},
      {{"MGET", "k", "new", "absent"}, array({text("5"), text("4"), text("7")})},
      {{"SET", "k", "8", "EX", "100"}, kOk},
      {{"TTL", "k"}, number(100)},
      {{"SET", "k", "9", "KEEPTTL"}, kOk},
      {{"TTL", "k"}, number(100)},
      {{"SET", "k", "10"}, kOk},
      {{"TTL", "k"}, number(-1)},
      {{"SET", "k", "11", "px", "199900", "get"}, text("10")},
      {{"TTL", "k"}, number(200)},
      {{"SET", "k", "12", "EX", "100", "ex", "300"}, kOk},
      {{"TTL", "k"}, number(300)},
      {{"SET", "k", "13", "EXAT", "4000000000"}, kOk},
      {{"SET", "k", "14", "PXAT", "4000000000000", "XX"}, kOk},
      {{"GET", "k"}, text("14")},
  });
}

TEST_CASE("kv: SET refuses options that do not go together, and changes nothing") {
  const std::string syntax = error("syntax error");
  const std::string expire = error("invalid expire time in 'set' command");
  check({
      {{"SET", "k", "v", "NX", "XX"}, syntax},
      {{"SET", "k", "v", "XX", "NX"}, syntax},
      {{"SET", "k", "v", "EX"}, syntax},
      {{"SET", "k", "v", "EX", "1", "PX", "1"}, syntax},
      {{"SET", "k", "v", "EX", "1", "EXAT", "1"}, syntax},
      {{"SET", "k", "v", "KEEPTTL", "EX", "1"}, syntax},
      {{"SET", "k", "v", "EX", "1", "KEEPTTL"}, syntax},
      {{"SET", "k", "v", "NONSENSE"}, syntax},
      {{"SET", "k", "v", "EX", "x", "NONSENSE"}, syntax},
      {{"SET", "k", "v", ""}, syntax},
      {{"SET", "k", "v", "EX", "0"}, expire},
      {{"SET", "k", "v", "PX", "-1"}, expire},
      {{"SET", "k", "v", "EX", "9223372036854775807"}, expire},
      {{"SET", "k", "v", "PX", "9223372036854775807"}, expire},
      {{"SET", "k", "v", "EX", "1.5"}, kNotAnInteger},
      {{"SET", "k", "v", "PX", ""}, kNotAnInteger},
      {{"SET", "k", "v", "EX", "9223372036854775808"}, kNotAnInteger},
      {{"DBSIZE"}, number(0)},
  });
}

TEST_CASE("kv: numbers count up and down as 64 bits allow") {
  const std::string overflow = error("increment or decrement would overflow");
  check({
      {{"INCR", "n"}, number(1)},
      {{"INCRBY", "n", "41"}, number(42)},
      {{"DECR", "n"}, number(41)},
      {{"DECRBY", "n", "-9"}, number(50)},
      {{"DECRBY", "n", "100"}, number(-50)},
      {{"GET", "n"}, text("-50")},
      {{"DECR", "other"}, number(-1)},
      {{"SET", "n", "9223372036854775806", "EX", "100"}, kOk},
      {{"INCR", "n"}, number(9223372036854775807)},
      {{"INCR", "n"}, overflow},
      {{"INCRBY", "n", "1"}, overflow},
      {{"GET", "n"}, text("9223372036854775807")},
      {{"TTL", "n"}, number(100)},
      {{"SET", "n", "-9223372036854775808"}, kOk},
      {{"DECR", "n"}, overflow},
      {{"DECRBY", "n", "-9223372036854775808"}, error("decrement would overflow")},
      {{"INCRBY", "n", "x"}, kNotAnInteger},
      {{"INCRBY", "n", "9223372036854775808"}, kNotAnInteger},
      {{"INCRBY", "n", "+1"}, kNotAnInteger},
      {{"SET", "n", "01"}, kOk},
      {{"INCR", "n"}, kNotAnInteger},
      {{"SET", "n", " 1"}, kOk},
      {{"INCR", "n"}, kNotAnInteger},
      {{"SET", "n", "-0"}, kOk},
      {{"DECR", "n"}, kNotAnInteger},
      {{"SET", "n", ""}, kOk},
      {{"INCR", "n"}, kNotAnInteger},
      {{"SET", "n", "0"}, kOk},
      {{"DECR", "n"}, number(-1)},
  });
}

TEST_CASE("kv: APPEND, STRLEN, MSET, MGET, DEL, EXISTS, TYPE, DBSIZE, FLUSHALL") {
  check({
      {{"APPEND", "k", "Hello"}, number(5)},
      {{"APPEND", "k", ""}, number(5)},
      {{"APPEND", "k", ", world, and all who live on it"}, number(36)},
      {{"GET", "k"}, text("Hello, world, and all who live on it")},
      {{"STRLEN", "k"}, number(36)},
      {{"STRLEN", "absent"}, number(0)},
      {{"TYPE", "k"}, "+string\r\n"},
      {{"TYPE", "absent"}, "+none\r\n"},
      {{"EXPIRE", "k", "100"}, number(1)},
      {{"APPEND", "k", "!"}, number(37)},
      {{"TTL", "k"}, number(100)},
      {{"MSET", "k", "1", "l", "2", "k", "3"}, kOk},
      {{"TTL", "k"}, number(-1)},
      {{"MGET", "k", "absent", "l", "k"}, array({text("3"), kNull, text("2"), text("3")})},
      {{"EXISTS", "k", "l", "absent", "k"}, number(3)},
      {{"DBSIZE"}, number(2)},
      {{"DEL", "k", "absent", "k", "l"}, number(2)},
      {{"DBSIZE"}, number(0)},
      {{"MSET", "a", "1", "b", "2"}, kOk},
      {{"FLUSHALL", "NONSENSE"}, error("syntax error")},
      {{"DBSIZE"}, number(2)},
      {{"FLUSHALL", "sync"}, kOk},
      {{"DBSIZE"}, number(0)},
      {{"GET", "a"}, kNull},
      {{"FLUSHALL"}, kOk},
  });
}

TEST_CASE("kv: EXPIRE, PEXPIRE, TTL, PTTL and PERSIST") {
  const std::string expire = error("invalid expire time in 'expire' command");
  check({
      {{"EXPIRE", "k", "100"}, number(0)},
      {{"TTL", "k"}, number(-2)},
      {{"PTTL", "k"}, number(-2)},
      {{"PERSIST", "k"}, number(0)},
      {{"SET", "k", "v"}, kOk},
      {{"TTL", "k"}, number(-1)},
      {{"PTTL", "k"}, number(-1)},
      {{"PERSIST", "k"}, number(0)},
      {{"PEXPIRE", "k", "199900"}, number(1)},
      {{"TTL", "k"}, number(200)},
      {{"EXPIRE", "k", "300", "NX"}, number(0)},
      {{"EXPIRE", "k", "300", "LT"}, number(0)},
      {{"EXPIRE", "k", "300", "gt"}, number(1)},
      {{"EXPIRE", "k", "200", "XX", "LT"}, number(1)},
      {{"TTL", "k"}, number(200)},
      {{"PERSIST", "k"}, number(1)},
      {{"EXPIRE", "k", "300", "XX"}, number(0)},
      {{"EXPIRE", "k", "300", "GT"}, number(0)},
      {{"EXPIRE", "k", "300", "LT"}, number(1)},
      {{"EXPIRE", "k", "x"}, kNotAnInteger},
      {{"EXPIRE", "k", "9223372036854775807"}, expire},
      {{"EXPIRE", "k", "-9223372036854775807"}, expire},
      {{"PEXPIRE", "k", "9223372036854775807"}, error("invalid expire time in 'pexpire' command")},
      {{"EXPIRE", "k", "1", "SOON"}, error("Unsupported option SOON")},
      {{"EXPIRE", "k", "1", "NX", "XX"},
       error("NX and XX, GT or LT options at the same time are not compatible")},
      {{"EXPIRE", "k", "1", "GT", "LT"},
       error("GT and LT options at the same time are not compatible")},
      {{"TTL", "k"}, number(300)},
      {{"EXPIRE", "k", "-1"}, number(1)},
      {{"GET", "k"}, kNull},
      {{"DBSIZE"}, number(0)},
  });
}

TEST_CASE("kv: KEYS takes the patterns of Redis") {
  check({
      {{"KEYS", "*"}, array({})},
      {{"MSET", "one", "1", "two", "2", "o*e", "3", "", "4"}, kOk},
      {{"KEYS", "t*"}, array({text("two")})},
      {{"KEYS", "?ne"}, array({text("one")})},
      {{"KEYS", "o\\*e"}, array({text("o*e")})},
      {{"KEYS", "[s-u]wo"}, array({text("two")})},
      {{"KEYS", "[^o]*"}, array({text("two")})},
      {{"KEYS", ""}, array({text("")})},
      {{"KEYS", "o"}, array({})},
  });
}

TEST_CASE("kv: wrong commands get the errors of Redis") {
  std::vector<Row> rows;
  for (const char* command :
       {"get", "set", "incr", "del", "exists", "decr", "incrby", "decrby", "append", "strlen",
        "mget", "mset", "expire", "pexpire", "ttl", "pttl", "persist", "keys", "type"})
    rows.push_back(
        {{command}, error("wrong number of arguments for '" + std::string(command) + "' command")});
  const std::string b(130, 'b');
  for (const Row& row : std::vector<Row>{
           {{"GET", "a", "b"}, error("wrong number of arguments for 'get' command")},
           {{"DBSIZE", "a"}, error("wrong number of arguments for 'dbsize' command")},
           {{"MSET", "a", "1", "b"}, error("wrong number of arguments for 'mset' command")},
           {{"NoSuch"}, error("unknown command 'NoSuch', with args beginning with: ")},
           {{"nosuch", "a", "b\nc"},
            error("unknown command 'nosuch', with args beginning with: 'a' 'b c' ")},
           {{"nosuch", b, "c"},
            error("unknown command 'nosuch', with args beginning with: '" + b.substr(0, 128) +
                  "' ")},
       })
    rows.push_back(row);
  check(rows);
}

TEST_CASE("kv: keys and values are any bytes") {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  const std::string large(100'000, '\r');
  check({
      {{"SET", bytes, bytes + bytes}, kOk},
      {{"GET", bytes}, text(bytes + bytes)},
      {{"KEYS", "*"}, array({text(bytes)})},
      {{"APPEND", bytes, large}, number(100'512)},
      {{"GET", bytes}, text(bytes + bytes + large)},
      {{"SET", bytes, ""}, kOk},
      {{"GET", bytes}, text("")},
      {{"DEL", bytes}, number(1)},
  });
}

TEST_CASE("kv: a key is gone when its time has come, for every command") {
  Instance peeperd{kv_config()};
  peeperd.start();
  Talk talk = kv_client(peeperd);
  // So many that the sweep rarely comes by before the command.
  for (int i = 0; i < 3000; ++i)
    REQUIRE(talk({"SET", "filler" + std::to_string(i), "v", "EX", "100000"}) == "OK");
  const auto expired = [&](std::string_view key) {
    CHECK(talk({"SET", key, "5", "PX", "1"}) == "OK");
    peeperd.await([&] { return talk({"PTTL", key}) == "-2"; });
    return key;
  };
  CHECK(talk({"GET", expired("a")}) == "(nil)");
  CHECK(talk({"EXISTS", expired("a")}) == "0");
  CHECK(talk({"STRLEN", expired("a")}) == "0");
  CHECK(talk({"TYPE", expired("a")}) == "none");
  CHECK(talk({"MGET", expired("a")}) == "[(nil)]");
  CHECK(talk({"PERSIST", expired("a")}) == "0");
  CHECK(talk({"EXPIRE", expired("a"), "100"}) == "0");
  CHECK(talk({"DEL", expired("a")}) == "0");
  CHECK(talk({"KEYS", expired("a")}) == "[]");
  CHECK(talk({"SET", expired("a"), "6", "XX"}) == "(nil)");
  CHECK(talk({"SET", expired("a"), "6", "GET"}) == "(nil)");
  CHECK(talk({"INCR", expired("b")}) == "1");
  CHECK(talk({"TTL", "b"}) == "-1");
  CHECK(talk({"APPEND", expired("b"), "xy"}) == "2");
  CHECK(talk({"SET", expired("b"), "6", "KEEPTTL"}) == "OK");
  CHECK(talk({"TTL", "b"}) == "-1");
  peeperd.stop();
}

TEST_CASE("kv: keys that expired are freed, though nobody asks for them") {
  Instance peeperd{kv_config()};
  peeperd.start();
  Talk talk = kv_client(peeperd);
  CHECK(talk({"SET", "stays", "1"}) == "OK");
  CHECK(talk({"SET", "stays long", "1", "EX", "1000"}) == "OK");
  for (int i = 0; i < 1000; ++i)
    REQUIRE(talk({"SET", "key" + std::to_string(i), "v", "PX", "1"}) == "OK");
  peeperd.await([&] { return talk({"DBSIZE"}) == "2"; });
  CHECK(talk({"MGET", "stays", "stays long"}) == "[1 1]");
  CHECK(talk({"TTL", "stays long"}) != "-1");
  peeperd.stop();
}

TEST_CASE("kv: a cast is a command nobody waits for, a PING by CALL is answered") {
  Instance peeperd{kv_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CAST", "kv", "SET", "k", "1"}) == "OK");
  CHECK(talk({"SEND", "kv", "incr", "k"}) == "OK");
  CHECK(talk({"CALL", "kv", "GET", "k"}) == "2");
  CHECK(talk({"CALL", "kv", "ping"}) == "PONG");
  CHECK(talk({"CALL", "kv", "ping", "me"}) == "me");
  peeperd.stop();
}

TEST_CASE("kv: keys, values and deadlines survive every kill") {
  Instance peeperd{kv_config()};
  peeperd.start();
  std::string long_value;
  {
    Talk talk = kv_client(peeperd);
    for (int i = 0; i < 500; ++i) {
      long_value += "value " + std::to_string(i) + ";";
      REQUIRE(talk({"SET", "key" + std::to_string(i), long_value, "EX", "100000"}) == "OK");
    }
    const Watch worker{peeperd.worker("kv")};
    worker.kill(SIGKILL);
    REQUIRE(worker.gone());
    CHECK(talk({"GET", "key499"}) == long_value);
    CHECK(talk({"PERSIST", "key499"}) == "1");
  }
  peeperd.kill_all_three("kv");
  peeperd.start();
  Talk talk = kv_client(peeperd);
  CHECK(talk({"DBSIZE"}) == "500");
  CHECK(talk({"GET", "key499"}) == long_value);
  CHECK(talk({"TTL", "key499"}) == "-1");
  CHECK(std::stoi(talk({"TTL", "key498"})) > 99'000);
  CHECK(talk({"GET", "key0"}) == "value 0;");
  peeperd.stop();
}
