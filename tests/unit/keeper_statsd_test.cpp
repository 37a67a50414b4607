// The listener `statsd` on real sockets, with the test in the resolver's part.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <boost/json.hpp>
#include <chrono>
#include <cstdint>
#include <future>
#include <memory>
#include <string>

#include "common/unique_fd.hpp"
#include "keeper/statsd_listener.hpp"

using namespace peeper;
using namespace peeper::keeper;
using namespace std::chrono_literals;

namespace {

// On 127.0.0.1; port 0: any.
class Receiver {
 public:
  explicit Receiver(std::uint16_t port = 0) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t bytes = sizeof address;
    REQUIRE(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), bytes) == 0);
    REQUIRE(::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &bytes) == 0);
    port_ = ntohs(address.sin_port);
  }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::string place(const std::string& host) const {
    return host + ":" + std::to_string(port_);
  }
  // The next packet; empty: none came.
  [[nodiscard]] std::string receive(std::chrono::milliseconds patience = 30s) const {
    pollfd wanted{socket_.get(), POLLIN, 0};
    if (::poll(&wanted, 1, static_cast<int>(patience.count())) != 1) return {};
    std::array<char, 2'000> text{};
    const ssize_t got = ::recv(socket_.get(), text.data(), text.size(), 0);
    return got > 0 ? std::string(text.data(), static_cast<std::size_t>(got)) : std::string();
  }

 private:
  UniqueFd socket_{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  std::uint16_t port_ = 0;
};

// With that number as its changes.
StateEvent event(std::uint64_t number) {
  StateEvent made;
  made.server = "counter";
  made.changes = number;
  made.old_state = 1;
  made.state = 1;
  return made;
}

std::string told(std::uint64_t number) {
  return "peeper.counter.changes:" + std::to_string(number) + "|c";
}

std::unique_ptr<StatsdListener> listener(const std::string& place, Resolving resolving = {}) {
  auto made = StatsdListener::open(place, std::move(resolving));
  REQUIRE(made.has_value());
  return *std::move(made);
}

// As localhost has them: the newer one first.
Result<Addresses> both(const Place& place) {
  Addresses all;
  for (const char* host : {"::1", "127.0.0.1"}) {
    const auto one = addresses_of({host, place.port}, HostIs::kNumber);
    if (!one) return one.error();
    all.push_back(one->front());
  }
  return all;
}

// As long as it is there nothing is logged.
struct Silence {
  spdlog::level::level_enum before = spdlog::get_level();
  Silence() { spdlog::set_level(spdlog::level::off); }
  ~Silence() { spdlog::set_level(before); }
};

}  // namespace

TEST_CASE("listener statsd: the first event after its receiver is back arrives") {
  const Silence silence;
  auto receiver = std::make_unique<Receiver>();
  const std::uint16_t port = receiver->port();
  const auto statsd = listener(receiver->place("127.0.0.1"));
  statsd->hear(event(1));
  CHECK(receiver->receive() == told(1));
  for (int lost = 1; lost <= 3; ++lost) {
    CAPTURE(lost);
    receiver.reset();
    for (int i = 0; i < lost; ++i) statsd->hear(event(2));
    receiver = std::make_unique<Receiver>(port);
    statsd->hear(event(3));
    CHECK(receiver->receive(5s) == told(3));
  }
}

TEST_CASE("listener statsd: of a name's addresses the one at which somebody listens is found") {
  const Silence silence;
  auto receiver = std::make_unique<Receiver>();
  const std::uint16_t port = receiver->port();
  const auto statsd = listener(receiver->place("here"), {.resolve = both, .patience = 30s});
  // The kernel may tell a moment later that nobody is at the first.
  std::string first;
  for (std::uint64_t number = 1; first.empty() && number < 100; ++number) {
    statsd->hear(event(number));
    first = receiver->receive(100ms);
  }
  CHECK(first.starts_with("peeper.counter.changes:"));
  statsd->hear(event(100));
  CHECK(receiver->receive() == told(100));
  // Gone from all of them, and back.
  receiver.reset();
  for (std::uint64_t number = 101; number < 110; ++number) statsd->hear(event(number));
  receiver = std::make_unique<Receiver>(port);
  first.clear();
  for (std::uint64_t number = 110; first.empty() && number < 200; ++number) {
    statsd->hear(event(number));
    first = receiver->receive(100ms);
  }
  CHECK_FALSE(first.empty());
}

TEST_CASE("listener statsd: a resolver that hangs holds up nobody, and is waited for once") {
  const Receiver receiver;
  std::promise<void> released;
  const std::shared_future<void> release = released.get_future().share();
  const auto statsd =
      listener(receiver.place("slow"), {.resolve =
                                            [release](const Place& place) {
                                              release.wait();
                                              return addresses_of({"127.0.0.1", place.port},
                                                                  HostIs::kNumber);
                                            },
                                        .pause = 0ms,
                                        .patience = 10ms});
  for (std::uint64_t number = 1; number < 100; ++number) statsd->hear(event(number));
  released.set_value();
  std::string first;
  for (std::uint64_t number = 100; first.empty() && number < 400; ++number) {
    statsd->hear(event(number));
    first = receiver.receive(100ms);
  }
  CHECK(first.starts_with("peeper.counter.changes:"));
  CHECK(first >= told(100));
}

TEST_CASE("listener statsd: one that hangs for good may outlive the listener") {
  auto released = std::make_shared<std::promise<void>>();
  auto ended = std::make_shared<std::promise<void>>();
  std::future<void> end = ended->get_future();
  listener("never:1", {.resolve =
                           [release = released->get_future().share(), ended](const Place&) {
                             release.wait();
                             ended->set_value();
                             return Result<Addresses>{Failure{"late", 0}};
                           },
                       .patience = 0ms})
      ->hear(event(1));
  released->set_value();
  CHECK(end.wait_for(30s) == std::future_status::ready);
}

TEST_CASE("listener statsd: a name that isn't found is looked up again, but not each time") {
  const Silence silence;
  const Receiver receiver;
  auto calls = std::make_shared<std::atomic<int>>(0);
  const auto failing_at_first = [calls](const Place& place) -> Result<Addresses> {
    if (++*calls < 3) return Failure{"not yet", 0};
    return addresses_of({"127.0.0.1", place.port}, HostIs::kNumber);
  };
  const std::string place = receiver.place("later");
  const auto patient =
      listener(place, {.resolve = failing_at_first, .pause = 1h, .patience = 30s});
  for (std::uint64_t number = 1; number < 10; ++number) patient->hear(event(number));
  CHECK(*calls == 1);
  *calls = 0;
  const auto eager =
      listener(place, {.resolve = failing_at_first, .pause = 0ms, .patience = 30s});
  for (std::uint64_t number = 1; number <= 3; ++number) eager->hear(event(number));
  CHECK(*calls == 3);
  CHECK(receiver.receive() == told(3));
  eager->hear(event(4));
  CHECK(*calls == 3);
}

TEST_CASE("listener statsd: what is no place is refused, a name that nobody knows is not") {
  for (const char* wrong : {"", "host", "host:", ":8125", "host:0", "host:65536", "host:12x"}) {
    CAPTURE(wrong);
    CHECK_FALSE(StatsdListener::open(wrong).has_value());
  }
  CHECK(StatsdListener::open("[::1]:8125").has_value());
  CHECK(StatsdListener::open("nowhere.invalid:8125").has_value());
}
