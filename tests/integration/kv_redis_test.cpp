// The kv example and the programs of Redis: its clients, and its server to compare with.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <random>

#include "instance.hpp"
#include "redis_server.hpp"
#include "skip.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

constexpr char kConfig[] =
    "[[server]]\nname = \"kv\"\nbehaviour = \"kv\"\nstate_size = \"16MiB\"\n";
// Each connection uses kv: what Redis's own programs need.
const std::string kUsed = std::string("[daemon]\nuse = \"kv\"\n") + kConfig;

// Commands of all kinds on few keys, so that they meet. The words come from the seed alone.
class Commands {
 public:
  explicit Commands(std::uint32_t seed) : random_(seed) {}

  Words next() {
    switch (pick(24)) {
      case 0:
      case 1:
      case 2:
      case 3: return set();
      case 4:
      case 5: return {"GET", key()};
      case 6: return several("DEL", 1 + pick(2));
      case 7: return several("EXISTS", 1 + pick(4));
      case 8: return {"INCR", key()};
      case 9: return {"DECR", key()};
      case 10: return {"INCRBY", key(), value()};
      case 11: return {"DECRBY", key(), value()};
      case 12: return {"APPEND", key(), value()};
      case 13: return {"STRLEN", key()};
      case 14: return several("MGET", 1 + pick(5));
      case 15: return mset();
      case 16:
      case 17: return expire();
      case 18: return {"TTL", key()};
      case 19: return {"PTTL", key()};
      case 20: return {"PERSIST", key()};
      case 21: return {"KEYS", pattern()};
      case 22: return {pick(2) == 0 ? "TYPE" : "type", key()};
      default: return rare();
    }
  }

 private:
  std::size_t pick(std::size_t count) { return random_() % count; }

  template <std::size_t N>
  std::string any(const char* const (&texts)[N]) {
    return texts[pick(N)];
  }

  std::string key() {
    return any({"a", "b", "ab", "abc", "b*", "[x]", "a\\", "", "\xff\x80", "n"});
  }
  std::string value() {
    if (pick(4) == 0) return std::string(pick(300), static_cast<char>('a' + pick(26)));
    if (pick(3) == 0) return std::to_string(static_cast<int>(pick(2000)) - 1000);
    return any({"", "0", "-0", "01", " 1", "1 ", "+1", "-1", "x", "1.5", "a\r\nb",
                "9223372036854775807", "-9223372036854775808", "9223372036854775808",
                "9223372036854775806", "18446744073709551615"});
  }
  // Far from each other and from now, so that the time the test itself takes decides nothing.
  std::string time(const char* zeros) {
    if (pick(4) == 0)
      return any({"0", "-1", "x", "", "9223372036854775807", "-9223372036854775808"});
    return std::to_string(1000 + 60 * pick(1'000'000)) + zeros;
  }

  Words several(const char* command, std::size_t count) {
    Words words{command};
    for (std::size_t i = 0; i < count; ++i) words.push_back(key());
    return words;
  }
  Words mset() {
    Words words{"MSET"};
    for (std::size_t i = pick(7) + 1; i > 0; --i) words.push_back(i % 2 == 0 ? key() : value());
    return words;
  }
  Words set() {
    Words words{"SET", key(), value()};
    while (pick(2) == 0) {
      switch (pick(6)) {
        case 0: words.push_back(any({"NX", "nx"})); break;
        case 1: words.push_back(any({"XX", "xX"})); break;
        case 2: words.push_back("GET"); break;
        case 3: words.push_back("KEEPTTL"); break;
        case 4: words.insert(words.end(), {any({"EX", "ex"}), time("")}); break;
        default: words.insert(words.end(), {"PX", time("000")});
      }
    }
    return words;
  }
  Words expire() {
    Words words{"EXPIRE", key(), time("")};
    if (pick(2) == 0) words = {"PEXPIRE", key(), time("000")};
    while (pick(3) == 0) words.push_back(any({"NX", "XX", "GT", "LT", "gt", "no"}));
    return words;
  }
  std::string pattern() {
    std::string text;
    for (std::size_t i = pick(5); i > 0; --i)
      text += any({"*", "?", "a", "b", "[ab]", "[a-c]", "[^a]", "\\", "[", "]", "^", "-", "\xff"});
    return text;
  }
  Words rare() {
    switch (pick(5)) {
      case 0: return {"FLUSHALL"};
      case 1: return {"DBSIZE"};
      case 2: return {any({"NoSuchCommand", "GE", "GETT"}), key(), value(), value()};
      case 3: return {any({"GET", "INCRBY", "append", "TTL", "KEYS", "DBSIZE"}), "a", "b", "c"};
      default: return {any({"SET", "Mget", "EXPIRE", "DEL"})};
    }
  }

  std::mt19937 random_;
};

// What the same command may reply at another moment.
bool same_reply(const Words& command, const std::string& ours, const std::string& theirs) {
  if (ours == theirs) return true;
  const auto a = resp::read_value(ours);
  const auto b = resp::read_value(theirs);
  if (!a || !b || a->reply.type != b->reply.type) return false;
  if (command[0] == "KEYS") {  // in no order
    const auto sorted = [](const resp::Reply& reply) {
      Words keys;
      for (const resp::Reply& key : reply.elements) keys.push_back(key.text);
      std::sort(keys.begin(), keys.end());
      return keys;
    };
    return sorted(a->reply) == sorted(b->reply);
  }
  const std::int64_t unit = command[0] == "TTL" ? 1 : command[0] == "PTTL" ? 1000 : 0;
  if (a->reply.integer < 900 * unit || b->reply.integer < 900 * unit) return false;
  return std::abs(a->reply.integer - b->reply.integer) < 30 * unit;
}

// With `input` in its standard input.
std::string redis_cli(const Instance& peeperd, std::string_view input) {
  const Ran ran = run({{"redis-cli", "-s", peeperd.socket()}, {}, peeperd.directory(), ""}, input);
  REQUIRE_MESSAGE(ran.exit_code != 127, "there is no redis-cli; install Debian's redis-tools");
  CHECK(ran.exit_code == 0);
  CHECK(ran.err == "");
  return ran.out;
}

}  // namespace

TEST_CASE("kv: 20 000 random commands get the replies of redis-server, byte for byte") {
  if (!RedisServer::is_installed()) {
    skip("there is no redis-server; install Debian's redis-server");
    return;
  }
  Instance peeperd{kConfig};
  peeperd.start();
  const RedisServer redis{peeperd.directory()};
  const std::uint32_t seed = fresh_seed();
  CAPTURE(seed);
  Commands source{seed};
  for (int round = 0; round < 20; ++round) {
    std::vector<Words> commands;
    for (int i = 0; i < 1000; ++i) commands.push_back(source.next());
    const Words ours = replies_of(peeperd.socket(), commands, "kv");
    const Words theirs = replies_of(redis.socket(), commands);
    for (std::size_t i = 0; i < commands.size(); ++i) {
      if (same_reply(commands[i], ours[i], theirs[i])) continue;
      std::string command;
      for (const std::string& word : commands[i]) command += "'" + word + "' ";
      CAPTURE(round);
      CAPTURE(i);
      CAPTURE(command);
      REQUIRE(ours[i] == theirs[i]);
    }
  }
  peeperd.stop();
}

TEST_CASE("kv: redis-cli works as ever after USE") {
  Instance peeperd{kConfig};
  peeperd.start();
  CHECK(redis_cli(peeperd,
                  "USE kv\nSET name \"Ada L\"\nGET name\nINCR n\nincr n\nMGET name no n\n"
                  "GET\nPING\nDBSIZE\n") ==
        "OK\nOK\nAda L\n1\n2\nAda L\n\n2\nERR wrong number of arguments for 'get' command\n\n"
        "PONG\n2\n");
  peeperd.stop();
}

TEST_CASE("kv: redis-benchmark runs its own SET, GET and INCR unchanged") {
  Instance peeperd{kUsed};
  peeperd.start();
  const Ran ran = run({{"redis-benchmark", "-s", peeperd.socket(), "-t", "set,get,incr", "-n", "10000",
                        "-c", "20", "-P", "8", "-r", "100", "-d", "7", "--csv"},
                       {},
                       {},
                       {}});
  REQUIRE_MESSAGE(ran.exit_code != 127, "install Debian's redis-tools");
  CAPTURE(ran.err);
  CHECK(ran.exit_code == 0);
  for (const char* row : {"\"SET\",", "\"GET\",", "\"INCR\","})
    CHECK(ran.out.find(row) != std::string::npos);
  // It looks at no reply, so what it did is looked at here.
  Talk talk = peeperd.talk();
  const auto keys = [&](const std::string& pattern) {
    const auto found = talk.reply({"KEYS", pattern});
    REQUIRE(found.has_value());
    return found->elements;
  };
  CHECK(keys("key:*").size() == 100);
  std::int64_t sum = 0;
  for (const resp::Reply& key : keys("counter:*")) sum += std::stoll(talk({"GET", key.text}));
  CHECK(sum == 10'000);
  CHECK(talk({"STRLEN", keys("key:*")[0].text}) == "7");
  peeperd.stop();
}

TEST_CASE("a connection uses the configured server until it says USE, and again after RESET") {
  Instance peeperd{kUsed + counter_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"SET", "k", "v"}) == "OK");
  CHECK(talk({"USE", "counter"}) == "OK");
  CHECK(talk({"inc"}) == "1");
  CHECK(talk({"RESET"}) == "RESET");
  CHECK(talk({"GET", "k"}) == "v");
  peeperd.stop();
}

TEST_CASE("kv: redis-py works unchanged") {
  const auto python = [](const std::string& program, const std::string& socket) {
    // Debian's own: another one in PATH doesn't see Debian's packages.
    return run({{"/usr/bin/python3", "-c", program, socket}, {}, {}, {}});
  };
  if (python("import redis", "").exit_code != 0) {
    skip("there is no redis-py; install Debian's python3-redis");
    return;
  }
  Instance peeperd{kUsed};
  peeperd.start();
  const Ran ran = python(R"(
import sys, redis
r = redis.Redis(unix_socket_path=sys.argv[1])
assert r.ping() is True
assert r.set('k', 'v') is True
assert r.get('k') == b'v'
assert r.get('absent') is None
assert r.set('k', 'w', nx=True) is None
assert r.set('k', b'\x00\xff', ex=100, get=True) == b'v'
assert r.ttl('k') == 100 and 99000 < r.pttl('k') <= 100000
assert r.persist('k') is True and r.ttl('k') == -1
assert r.expire('k', 50) is True and r.pexpire('absent', 50) is False
assert r.incr('n') == 1 and r.incr('n', 4) == 5 and r.decr('n', 7) == -2
assert r.append('k', 'xy') == 4 and r.strlen('k') == 4
assert r.mset({'a': 1, 'b': 2}) is True
assert r.mget('a', 'absent', 'b') == [b'1', None, b'2']
assert r.exists('a', 'b', 'c') == 2 and r.delete('a', 'c') == 1
assert sorted(r.keys('*')) == [b'b', b'k', b'n'] and r.dbsize() == 3
assert r.type('b') == b'string' and r.type('c') == b'none'
try:
    r.incr('k')
    assert False
except redis.ResponseError as e:
    assert str(e) == 'value is not an integer or out of range', e
pipe = r.pipeline(transaction=False)
for i in range(1000):
    pipe.set('p%d' % i, i)
for i in range(1000):
    pipe.get('p%d' % i)
assert pipe.execute() == [True] * 1000 + [b'%d' % i for i in range(1000)]
assert r.flushall() is True and r.dbsize() == 0
print('done')
)",
                         peeperd.socket());
  CHECK(ran.err == "");
  CHECK(ran.out == "done\n");
  peeperd.stop();
}
