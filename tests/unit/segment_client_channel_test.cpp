// Clients' own channels in the transaction: killed at every machine instruction, and told garbage.
#include <doctest/doctest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/segment/client_channels.hpp"
#include "common/segment/dead_letters.hpp"
#include "common/segment/history.hpp"
#include "segment_fixture.hpp"
#include "stepper.hpp"

using namespace peeper;
using namespace peeper::segment;
using peeper::test::TestSegment;

namespace {

using Strings = std::vector<std::string>;

constexpr std::uint64_t kRing = kLeastClientRing;
constexpr std::uint32_t kSerial = 5;
constexpr std::uint32_t kIndex = 3;
constexpr OpenedClient kOpened{kIndex, kSerial, kRing};

// A channel that is open, and what its client does.
struct TestClient {
  UniqueFd file = make();
  ClientMemory memory = map();
  std::uint64_t tail = 0;

  static UniqueFd make() {
    auto made = make_client_file(kRing);
    REQUIRE_MESSAGE(made.has_value(), (made ? "" : made.error().what));
    return *std::move(made);
  }
  ClientMemory map() const {
    auto mapped = ClientMemory::map(file.get(), kRing);
    REQUIRE(mapped.has_value());
    return *std::move(mapped);
  }
  [[nodiscard]] UniqueFd duplicate() const { return UniqueFd{::dup(file.get())}; }
  [[nodiscard]] std::span<std::byte> bytes() const {
    return {reinterpret_cast<std::byte*>(&memory.header()), client_file_bytes(kRing)};
  }

  static void open(const TestSegment& made) {
    ClientEntry& entry = made.segment.control().clients[kIndex];
    begin_slots(entry);
    entry.pid = 77;
    entry.serial.store(kSerial);
  }
  void ask(std::uint64_t request, std::vector<std::string_view> strings) {
    MessageHead head{};
    head.bytes = static_cast<std::uint32_t>(record_bytes<MessageHead>(strings));
    head.type = MessageType::kCall;
    head.request = request;
    head.strings = static_cast<std::uint32_t>(strings.size());
    const auto place = place_record(memory.header().request_head.load(), tail, kRing, head.bytes);
    REQUIRE(place.has_value());
    std::memcpy(memory.requests().at(place->start), &head, sizeof head);
    write_strings(memory.requests().at(place->start) + sizeof head, strings);
    tail = place->end;
    memory.header().request_tail.store(tail);
  }
  // The published replies, "REQUEST value".
  [[nodiscard]] Strings replies() const {
    Strings found;
    const std::uint64_t end = memory.header().reply_tail.load();
    for (std::uint64_t at = 0; at != end;) {
      const auto reply = memory.replies().find<ReplyHead>(at, end);
      REQUIRE(reply.status == reply.kRecord);
      found.push_back(std::to_string(reply.head.request) + " " +
                      std::string(reinterpret_cast<const char*>(reply.body.data()),
                                  reply.head.value_bytes));
      at = reply.position + reply.head.bytes;
    }
    return found;
  }
};

// One request as the worker runs it: it overwrites a page, and replies to this call and to one that
// was left open before, of the number 1.
void run_request(const Segment& segment, ClientChannels& clients) {
  Transaction transaction{segment};
  ClientChannel& client = *clients.find(kSerial);
  const auto found = client.first();
  transaction.begin(Channel::kClient, found.position, 1, kSerial);
  transaction.journal().save(0, 1);
  std::memset(segment.heap().data() + 100, 0xEE, 64);
  if (!transaction.add_client_reply(client, 1, "+late\r\n")) ::_exit(3);
  if (!transaction.add_client_reply(client, found.head.request, ":1\r\n")) ::_exit(3);
  transaction.take_request(client, found.position + found.head.bytes);
  transaction.commit(transaction.mailbox_head());
}

void map_into(ClientChannels& clients, const TestSegment& made, const TestClient& client) {
  clients.add(made.segment.control(), kOpened, client.duplicate());
  clients.take_up(made.segment.control());
}

// The channel's first request, by a worker that dies in it.
void leave_in_flight(const TestSegment& made) {
  Transaction transaction{made.segment};
  transaction.begin(Channel::kClient, 0, 1, kSerial);
}

void copy(const TestSegment& from, const TestClient& client, const TestSegment& to,
          const TestClient& other) {
  std::memcpy(to.bytes().data(), from.bytes().data(), from.bytes().size());
  std::memcpy(other.bytes().data(), client.bytes().data(), client.bytes().size());
}

const Strings kDone{"1 +late\r\n", "7 :1\r\n"};
const Strings kDropped{"7 -CRASHED server: SIGKILL in 'first'\r\n"};

}  // namespace

TEST_CASE("a channel's request killed at any instruction happened whole or not at all") {
  TestSegment running;
  TestClient client;
  TestClient::open(running);
  client.ask(7, {"first"});
  client.ask(8, {"second"});
  const auto before = running.heap();

  TestSegment crashed;
  TestClient other;
  std::uint64_t committed = 0;
  std::uint64_t dropped = 0;
  std::uint64_t untouched = 0;
  std::uint64_t wrong = 0;
  const std::uint64_t steps = test::step_through(
      [&] {
        ClientChannels clients;
        map_into(clients, running, client);
        run_request(running.segment, clients);
      },
      [&](std::uint64_t step) {
        if (step % test::kLongStride != 0) return;
        copy(running, client, crashed, other);
        ClientChannels clients;
        clients.add(crashed.segment.control(), kOpened, other.duplicate());
        REQUIRE(roll_back(crashed.segment, clients).has_value());
        const auto settled = settle(crashed.segment, test::seen_signal(SIGKILL), clients);
        REQUIRE(settled.has_value());
        const Strings told = other.replies();
        const bool is_changed = crashed.heap() != before;
        const bool is_next =
            clients.find(kSerial)->first().head.request == (told.empty() ? 7U : 8U);
        const auto letters = read_letters(crashed.segment);
        bool right = is_next;
        if (told == kDone) {
          ++committed;
          right = right && is_changed && letters.empty();
        } else if (told == kDropped) {
          ++dropped;
          right = right && !is_changed && letters.size() == 1 &&
                  letters[0].strings == Strings{"first"} && letters[0].message.pid == 77;
        } else {
          ++untouched;
          right = right && told.empty() && !is_changed && letters.empty() &&
                  settled->verdict == Verdict::kNothing;
        }
        if (!right) ++wrong;
      });
  MESSAGE("instructions: " << steps << ", not begun: " << untouched << ", dropped: " << dropped
                           << ", committed: " << committed);
  CHECK(wrong == 0);
  CHECK(dropped > 50);
  CHECK(committed > 10);
}

TEST_CASE("a recovery with a channel, killed at any instruction, leaves the next one the same") {
  TestSegment running;
  TestClient client;
  TestClient::open(running);
  client.ask(7, {"first"});
  client.ask(8, {"second"});
  const auto before = running.heap();
  {
    Transaction transaction{running.segment};
    transaction.begin(Channel::kClient, 0, 1, kSerial);
    transaction.journal().save(0, 1);
    std::memset(running.segment.heap().data(), 0xEE, 64);
  }
  const auto recover = [](const TestSegment& made, const TestClient& of) {
    ClientChannels clients;
    clients.add(made.segment.control(), kOpened, of.duplicate());
    return roll_back(made.segment, clients).has_value() &&
           settle(made.segment, test::seen_signal(SIGKILL), clients).has_value();
  };
  TestSegment again;
  TestClient other;
  std::uint64_t wrong = 0;
  const std::uint64_t steps = test::step_through(
      [&] {
        if (!recover(running, client)) ::_exit(1);
      },
      [&](std::uint64_t step) {
        if (step % test::kLongStride != 0) return;
        copy(running, client, again, other);
        REQUIRE(recover(again, other));
        const bool good = again.heap() == before && other.replies() == kDropped &&
                          read_letters(again.segment).size() == 1 &&
                          read_history(again.segment).size() == 1 &&
                          again.segment.control().committed.load() == 1;
        if (!good) ++wrong;
      });
  MESSAGE("instructions: " << steps);
  CHECK(wrong == 0);
}

// A worker that died between prepare and COMMIT leaves a slot of a sequence that others will have.
TEST_CASE("what a channel prepared and never committed is not committed by the next transaction") {
  TestSegment made;
  TestClient client;
  TestClient::open(made);
  client.ask(7, {"first"});
  ClientEntry& entry = made.segment.control().clients[kIndex];
  entry.slot[1] = {1, client.tail, 8};
  ClientChannels clients;
  map_into(clients, made, client);
  REQUIRE(roll_back(made.segment, clients).has_value());
  {
    Transaction transaction{made.segment};
    transaction.begin(Channel::kTimer, 1, 1);
    transaction.commit(transaction.mailbox_head());
  }
  REQUIRE(made.segment.control().committed.load() == 1);
  clients.take_up(made.segment.control());
  CHECK(clients.find(kSerial)->first().head.request == 7);
  CHECK(client.replies().empty());
}

TEST_CASE("a request in flight whose channel is closed is nobody's any more") {
  TestSegment made;
  TestClient client;
  TestClient::open(made);
  client.ask(7, {"first"});
  leave_in_flight(made);
  made.segment.control().clients[kIndex].serial.store(0);
  ClientChannels clients;
  REQUIRE(roll_back(made.segment, clients).has_value());
  const auto settled = settle(made.segment, test::seen_signal(SIGSEGV), clients);
  REQUIRE(settled.has_value());
  CHECK(settled->verdict == Verdict::kDrop);
  CHECK(made.segment.control().in_flight.sequence.load() == 0);
  CHECK(read_letters(made.segment).empty());
  REQUIRE(read_history(made.segment).size() == 1);
  CHECK(read_history(made.segment)[0].name == "channel");
}

TEST_CASE("a request in flight that its client has spoilt is its channel's fault, no damage") {
  TestSegment made;
  TestClient client;
  TestClient::open(made);
  client.ask(7, {"first"});
  leave_in_flight(made);
  SUBCASE("a head that is none") { std::memset(client.memory.requests().at(0), 0xFF, 48); }
  SUBCASE("a tail that can't be") { client.memory.header().request_tail.store(1); }
  SUBCASE("strings beyond the record") {
    std::memset(client.memory.requests().at(sizeof(MessageHead)), 0xFF, 4);
  }
  SUBCASE("no number") {
    const std::uint64_t none = 0;
    std::memcpy(client.memory.requests().at(offsetof(MessageHead, request)), &none, 8);
  }
  ClientChannels clients;
  map_into(clients, made, client);
  REQUIRE(roll_back(made.segment, clients).has_value());
  REQUIRE(settle(made.segment, test::seen_signal(SIGSEGV), clients).has_value());
  CHECK(client.memory.header().fault.load() == ClientFault::kMalformed);
  CHECK_FALSE(clients.find(kSerial)->has_mail());
  CHECK(made.segment.control().in_flight.sequence.load() == 0);
}

TEST_CASE("no request is taken while its reply might find no room") {
  TestSegment made;
  TestClient client;
  TestClient::open(made);
  client.ask(7, {"first"});
  ClientChannels clients;
  map_into(clients, made, client);
  ClientChannel& channel = *clients.find(kSerial);
  const std::string large(channel.largest_value(), '+');
  CHECK(channel.has_mail());
  std::uint64_t request = 0;
  const auto fill = [&] {
    for (int i = 0; i < 3; ++i) {
      Transaction transaction{made.segment};
      transaction.begin(Channel::kTimer, ++request, 1);
      REQUIRE(transaction.add_client_reply(channel, request, large));
      transaction.commit(0);
    }
  };
  fill();
  CHECK_FALSE(channel.has_mail());
  CHECK(channel.needs_room());
  client.memory.header().reply_head.store(client.memory.header().reply_tail.load());
  CHECK(channel.has_mail());
  client.memory.header().reply_head.store(3);  // garbage is no room, once it is looked at
  fill();
  CHECK_FALSE(channel.has_mail());
  client.memory.header().reply_head.store(UINT64_MAX - 7);
  CHECK_FALSE(channel.has_mail());
}

TEST_CASE("a reply too large for its channel is answered TOOBIG") {
  TestSegment made;
  TestClient client;
  TestClient::open(made);
  ClientChannels clients;
  map_into(clients, made, client);
  ClientChannel& channel = *clients.find(kSerial);
  Transaction transaction{made.segment};
  transaction.begin(Channel::kTimer, 1, 1);
  REQUIRE(transaction.add_client_reply(channel, 9, std::string(channel.largest_value() + 1, 'x')));
  transaction.commit(0);
  REQUIRE(client.replies().size() == 1);
  CHECK(client.replies()[0].starts_with("9 -TOOBIG "));
}

TEST_CASE("a channel's file is mapped only if it is sealed, and of the size that was told") {
  const TestClient client;
  CHECK_FALSE(ClientMemory::map(client.file.get(), 2 * kRing).has_value());
  CHECK_FALSE(ClientMemory::map(client.file.get(), kRing + 1).has_value());
  CHECK_FALSE(ClientMemory::map(-1, kRing).has_value());
  const UniqueFd open{::memfd_create("unsealed", MFD_CLOEXEC)};
  REQUIRE(::ftruncate(open.get(), static_cast<off_t>(client_file_bytes(kRing))) == 0);
  CHECK_FALSE(ClientMemory::map(open.get(), kRing).has_value());
  CHECK(::ftruncate(client.file.get(), 0) != 0);
}
