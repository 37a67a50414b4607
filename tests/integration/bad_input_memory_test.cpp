// Clients that send without sense or never read: the daemon's memory stays bounded, and others are
// served meanwhile.
#include <doctest/doctest.h>
#include <signal.h>

#include <fstream>
#include <random>

#include "instance.hpp"
#include "raw_client.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

constexpr std::size_t kGarbageBytes = 100'000'000;
// AddressSanitizer keeps what was freed for a while.
#ifdef PEEPER_SANITIZED
constexpr std::int64_t kRoomKib = 512 * 1024;
#else
// 16 MiB of replies in a string that doubles, and the rings of two servers.
constexpr std::int64_t kRoomKib = 96 * 1024;
#endif

std::string counter_and_hoard() {
  return counter_config() +
         "[[server]]\nname = \"hoard\"\nbehaviour = \"hoard\"\nstate_size = \"1MiB\"\n";
}

// Sends `garbage` again and again, connecting anew when peeperd has had enough, and calls a server
// over another connection all the while.
void pour(Instance& peeperd, std::string_view garbage) {
  Talk other = peeperd.talk();
  const std::int64_t before = peak_kib(peeperd.daemon().pid());
  RawClient client{peeperd.socket()};
  int served = 0;
  std::size_t at = 0;
  for (std::size_t sent = 0; sent < kGarbageBytes;) {
    const ssize_t bytes = client.send_some(garbage.substr(at));
    if (bytes < 0) {
      client = RawClient{peeperd.socket()};
      at = 0;
    } else {
      sent += static_cast<std::size_t>(bytes);
      at = (at + static_cast<std::size_t>(bytes)) % garbage.size();
    }
    REQUIRE(other({"CALL", "counter", "inc"}) == std::to_string(++served));
  }
  client.close();
  CHECK(other({"CALL", "counter", "state"}) == std::to_string(served));
  CHECK(peeperd.fact("counter", "crashes") == 0);
  CHECK(peak_kib(peeperd.daemon().pid()) <= before + kRoomKib);
}

// Sends `commands` again and again without ever reading, until peeperd takes no more of them.
// Others are served all the while: a hundred answers without room for one more byte of ours are
// the sign that it has stopped reading.
std::size_t send_until_refused(RawClient& client, std::string_view commands, Talk& other,
                               std::size_t most_bytes) {
  std::size_t sent = 0;
  std::size_t at = 0;
  for (int without_room = 0; without_room < 100 && sent < most_bytes;) {
    const ssize_t bytes = client.send_some(commands.substr(at));
    if (bytes < 0) break;
    sent += static_cast<std::size_t>(bytes);
    at = (at + static_cast<std::size_t>(bytes)) % commands.size();
    without_room = bytes > 0 ? 0 : without_room + 1;
    REQUIRE(other({"PING"}) == "PONG");
  }
  return sent;
}

std::string repeated(std::string_view text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

}  // namespace

TEST_CASE("100 MB of random bytes harm nobody") {
  const std::uint32_t seed = fresh_seed();
  CAPTURE(seed);
  std::mt19937 random{seed};
  std::string garbage(1'000'000, '\0');
  for (char& byte : garbage) byte = static_cast<char>(random());
  Instance peeperd{counter_and_hoard()};
  peeperd.start();
  pour(peeperd, garbage);
  peeperd.stop();
}

TEST_CASE("100 MB of one letter without a newline harm nobody") {
  Instance peeperd{counter_and_hoard()};
  peeperd.start();
  pour(peeperd, std::string(1'000'000, 'a'));
  peeperd.stop();
}

TEST_CASE("100 MB of announced but unfinished commands harm nobody") {
  Instance peeperd{counter_and_hoard()};
  peeperd.start();
  // Some thousand arguments of a million: more than fits any mailbox, and never a whole command.
  const std::string argument = "$1000\r\n" + std::string(1000, '*') + "\r\n";
  pour(peeperd, "*1000000\r\n" + repeated(argument, 20'000));
  peeperd.stop();
}

TEST_CASE("a client that never reads is not read any further") {
  Instance peeperd{counter_and_hoard()};
  peeperd.start();
  Talk other = peeperd.talk();
  const std::int64_t before = peak_kib(peeperd.daemon().pid());
  for (const std::string_view command : {"INFO\r\n", "nonsense\r\n", "CALL hoard blob 1000\r\n",
                                         "SUPERVISOR WHICH_CHILDREN\r\n"}) {
    CAPTURE(command);
    RawClient client{peeperd.socket()};
    const std::size_t sent =
        send_until_refused(client, repeated(command, 5000), other, kGarbageBytes);
    CHECK(sent > 0);
    CHECK(sent < kGarbageBytes);
    CHECK(other({"CALL", "counter", "state"}) == "0");
  }
  CHECK(peak_kib(peeperd.daemon().pid()) <= before + kRoomKib);
  peeperd.stop();
}

TEST_CASE("a client may have ten thousand calls outstanding and is not read any further") {
  Instance peeperd{counter_and_hoard()};
  peeperd.start();
  const Watch worker{peeperd.worker("hoard")};
  worker.kill(SIGSTOP);
  Talk other = peeperd.talk();
  RawClient client{peeperd.socket()};
  const std::string commands = repeated("CALL TIMEOUT 86400000 hoard size\r\n", 5000);
  CHECK(send_until_refused(client, commands, other, kGarbageBytes) < kGarbageBytes);
  CHECK(peeperd.fact("hoard", "mailbox") == 10'000);
  worker.kill(SIGCONT);
  client.close();
  CHECK(other({"CALL", "TIMEOUT", "30000", "hoard", "size"}) == "0");
  peeperd.stop();
}

TEST_CASE("a client that asks for large replies and never reads them loses its connection") {
  Instance peeperd{counter_and_hoard() + counter_config("slow")};
  peeperd.start();
  Talk other = peeperd.talk();
  const std::int64_t before = peak_kib(peeperd.daemon().pid());
  const auto closed_connections = [&] {
    const std::string log = peeperd.log();
    int count = 0;
    for (std::size_t at = 0; (at = log.find("asks for more than it reads", at)) != log.npos; ++at)
      ++count;
    return count;
  };
  int closed = 0;
  // Five hundred of 1 MB each: alone, and behind a reply that doesn't come.
  for (const std::string_view first : {"", "CALL TIMEOUT 86400000 slow hang 86400000\r\n"}) {
    CAPTURE(first);
    RawClient client{peeperd.socket()};
    REQUIRE(client.send(std::string(first) +
                        repeated("CALL TIMEOUT 60000 hoard blob 1000000\r\n", 500)));
    ++closed;
    peeperd.await([&] { return closed_connections() == closed; });
    (void)client.receive_to_end();
    CHECK(other({"CALL", "TIMEOUT", "30000", "hoard", "size"}) == "0");
    CHECK(other({"CALL", "counter", "state"}) == "0");
  }
  // limits::kMostUnsentBytes, and as much again in a string that has just doubled.
  CHECK(peak_kib(peeperd.daemon().pid()) <= before + 400 * 1024 + kRoomKib);
  CHECK(other({"SYS", "KILL", "slow"}) == "OK");  // it would hang on
  peeperd.stop();
}
