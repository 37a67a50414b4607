// A server with a real outbox, its courier, and receivers that answer as the test says.
#pragma once

#include <doctest/doctest.h>

#include <boost/asio/io_context.hpp>
#include <map>
#include <optional>

#include "daemon/delivery/courier.hpp"
#include "segment_fixture.hpp"

namespace peeper::test {

using namespace peeper::daemon;
using segment::MessageType;
using segment::OutgoingType;

struct Taken {
  MessageType type;
  std::uint64_t request;
  std::uint64_t stream;
  std::uint64_t number;
  std::vector<std::string> strings;
};

struct TestReceiver : Receiver {
  explicit TestReceiver(std::string server_name) : name_(std::move(server_name)) {}

  const std::string& name() const override { return name_; }
  Answer take(const Message& message) override {
    ++asked;
    Answer said = answer;
    if (said == Answer::kDelivered && room == 0) said = Answer::kFull;
    if (message.strings.back().size() > most_bytes) said = Answer::kTooBig;
    if (said != Answer::kDelivered) return said;
    --room;
    taken.push_back({message.type, message.request, message.stream, message.number,
                     {message.strings.begin(), message.strings.end()}});
    return said;
  }
  void wait_for_room(std::weak_ptr<RoomWaiter> waiter) override { waiting.push_back(waiter); }
  std::string down_text() const override { return "DOWN " + name_ + ": test"; }
  std::string too_big_text() const override { return "TOOBIG " + name_ + ": test"; }

  // As a server does: the first that finds no room again stays first.
  void offer_room() {
    auto all = std::exchange(waiting, {});
    while (!all.empty() && waiting.empty()) {
      const auto waiter = all.front().lock();
      all.erase(all.begin());
      if (waiter) waiter->room_available();
    }
    waiting.insert(waiting.end(), all.begin(), all.end());
  }
  // The last string of each message: what the tests number them by.
  std::string arrived() const {
    std::string all;
    for (const Taken& message : taken) all += message.strings.back() + " ";
    return all;
  }

  std::string name_;
  Answer answer = Answer::kDelivered;
  std::size_t room = SIZE_MAX;
  std::size_t most_bytes = SIZE_MAX;
  int asked = 0;
  std::vector<Taken> taken;
  std::vector<std::weak_ptr<RoomWaiter>> waiting;
};

struct TestExchange : Exchange {
  Receiver* find(std::string_view name) const override {
    for (const auto& [uid, server] : servers)
      if (server->name() == name) return server;
    return nullptr;
  }
  Receiver* find(std::uint64_t uid) const override {
    const auto found = servers.find(uid);
    return found == servers.end() || found->second == unattached ? nullptr : found->second;
  }
  Receiver* find_unattached() const override { return unattached; }
  void publish(std::string_view server, std::string_view channel,
               std::string_view value) override {
    published += std::string(server) + "/" + std::string(channel) + "=" + std::string(value);
  }

  void tell(std::string_view, std::string_view) override {}
  void show(const ServersLine&) override {}

  std::map<std::uint64_t, TestReceiver*> servers;
  TestReceiver* unattached = nullptr;
  std::string published;
};

inline constexpr std::uint64_t kUidB = 2;
inline constexpr std::uint64_t kUidC = 3;

// Server a sends; b and c are there to be sent to.
struct Post {
  TestSegment worker;
  boost::asio::io_context loop;
  TestReceiver a{"a"}, b{"b"}, c{"c"};
  TestExchange exchange;
  std::optional<Rings> rings;
  std::shared_ptr<Courier> courier;
  int damaged = 0;
  std::uint64_t sent = 0;

  Post() {
    start_daemon();
    exchange.servers = {{uid(), &a}, {kUidB, &b}, {kUidC, &c}};
  }
  void start_daemon() {
    courier.reset();
    auto opened = segment::Segment::open(worker.id, segment::View::kRings);
    REQUIRE(opened.has_value());
    rings.emplace(*std::move(opened));
    courier =
        std::make_shared<Courier>(loop, *rings, a, exchange, [this] { ++damaged; });
  }
  std::uint64_t uid() const { return rings->uid(); }
  std::uint64_t head() const { return worker.segment.control().outbox.head; }
  std::uint64_t tail() const { return worker.segment.control().outbox.tail; }
  bool all_done() const { return head() == tail() && courier->waiting() == 0; }

  void send(OutgoingType type, std::vector<std::string_view> strings, std::uint64_t target = 0) {
    segment::Transaction transaction{worker.segment};
    transaction.begin(segment::Channel::kTimer, ++sent, 0);
    REQUIRE(transaction.add_outgoing(type, 100 + sent, target, strings));
    transaction.commit(transaction.mailbox_head());
  }
  void cast(std::string_view server, std::string_view what) {
    send(OutgoingType::kCast, {server, "do", what});
  }
  void carry() {
    courier->carry();
    run_loop();
  }
  void run_loop() {
    loop.restart();
    loop.poll();
  }
};

}  // namespace peeper::test
