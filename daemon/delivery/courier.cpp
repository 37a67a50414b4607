#include "daemon/delivery/courier.hpp"

#include <spdlog/spdlog.h>

#include <array>
#include <boost/asio/post.hpp>

#include "common/limits.hpp"
#include "common/resp/reply.hpp"
#include "daemon/values/command_text.hpp"

namespace peeper::daemon {
namespace {

using namespace std::chrono_literals;
using segment::MessageType;
using segment::OutgoingType;

// Messages carried at once before other servers and connections have their turn.
constexpr int kBatch = 256;
// Of a sender's dropped messages one line is logged in this time, with their number.
constexpr auto kQuiet = 1s;

MessageType type_of(OutgoingType type) {
  switch (type) {
    case OutgoingType::kCall: return MessageType::kCall;
    case OutgoingType::kCast: return MessageType::kCast;
    case OutgoingType::kInfo:
    case OutgoingType::kPublish: return MessageType::kInfo;
    case OutgoingType::kAnswer: return MessageType::kAnswer;
  }
  return MessageType::kInfo;
}

}  // namespace

// A receiver that had no room.
struct Courier::Lane : RoomWaiter {
  Lane(Courier& courier, std::string_view name) : owner(courier), receiver(name) {}
  void room_available() override { owner.lane_is_open(receiver); }

  Courier& owner;
  const std::string receiver;
};

// Holds up the reading. An answer's receiver must be known before anything behind the answer is
// sorted: that may go to the same server, by its name.
struct Courier::Gate : RoomWaiter {
  explicit Gate(Courier& courier) : owner(courier) {}
  void room_available() override {
    const auto self = std::exchange(owner.gate_, nullptr);
    owner.carry_later();
  }

  Courier& owner;
};

Courier::Courier(boost::asio::io_context& loop, Rings& rings, Receiver& sender, Exchange& exchange,
                 std::function<void()> damaged)
    : loop_(loop),
      rings_(rings),
      sender_(sender),
      exchange_(exchange),
      damaged_(std::move(damaged)),
      router_(rings.outbox_head()),
      outgoing_() {}

void Courier::carry() {
  rings_.look_at_outbox();
  if (!later_) carry_batch();
}

void Courier::carry_later() {
  if (std::exchange(later_, true)) return;
  boost::asio::post(loop_, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->later_ = false;
    self->carry();
  });
}

void Courier::carry_batch() {
  int left = kBatch;
  Reading reading = Reading::kNext;
  for (; left > 0 && reading == Reading::kNext; --left) {
    if (const auto turn = router_.next()) {
      if (!deliver(*turn)) reading = Reading::kDamaged;
    } else {
      reading = read_next();
    }
  }
  rings_.free_outbox(router_.head());
  if (reading == Reading::kDamaged) return damaged_();
  if (reading == Reading::kNext) carry_later();
}

// Sorts the next message of the outbox to its receiver's others.
Courier::Reading Courier::read_next() {
  if (gate_) return Reading::kNothing;
  switch (rings_.read_outgoing(router_.read(), outgoing_)) {
    case Rings::Read::kEmpty: return Reading::kNothing;
    case Rings::Read::kDamaged: return Reading::kDamaged;
    case Rings::Read::kRecord: break;
  }
  const Router::Place place{outgoing_.position, outgoing_.end};
  if (outgoing_.type == OutgoingType::kPublish) {
    if (resp::is_one_value(outgoing_.strings[1]))
      exchange_.publish(sender_.name(), outgoing_.strings[0], outgoing_.strings[1]);
    else
      drop(outgoing_.strings[0], "what is published is no RESP3 value");
    router_.pass(place);
    return Reading::kNext;
  }
  std::string_view name;
  Receiver* receiver = nullptr;
  if (find_receiver(outgoing_, name, receiver)) {
    router_.add(name, place);
  } else if (Receiver* unattached = exchange_.find_unattached()) {
    gate_ = std::make_shared<Gate>(*this);
    unattached->wait_for_room(gate_);
    return Reading::kNothing;
  } else {
    drop("a caller", "its segment is gone");
    router_.pass(place);
  }
  return Reading::kNext;
}

// By name, or, of an answer, by uid: false if nobody has it. The name of one that doesn't exist is
// kept in short: too long to be one's, and not longer.
bool Courier::find_receiver(const Outgoing& outgoing, std::string_view& name,
                            Receiver*& receiver) const {
  if (outgoing.type == OutgoingType::kAnswer) {
    receiver = exchange_.find(outgoing.target);
    if (receiver == nullptr) return false;
    name = receiver->name();
  } else {
    name = outgoing.strings[0].substr(0, limits::kServerNameBytes + 1);
    receiver = exchange_.find(name);
  }
  return true;
}

bool Courier::deliver(Router::Turn turn) {
  // Mostly it was read just now.
  if (outgoing_.position != turn.position || outgoing_.strings.empty()) {
    if (rings_.read_outgoing(turn.position, outgoing_) != Rings::Read::kRecord) return false;
  }
  if (outgoing_.type == OutgoingType::kPublish) return false;
  std::string_view name;
  Receiver* receiver = nullptr;
  const bool known = find_receiver(outgoing_, name, receiver);
  if (known && name != turn.receiver) return false;
  hand_over(turn.receiver, receiver);
  return true;
}

void Courier::hand_over(std::string_view name, Receiver* receiver) {
  std::span<const std::string_view> strings = outgoing_.strings;
  const bool is_answer = outgoing_.type == OutgoingType::kAnswer;
  if (!is_answer) strings = strings.subspan(1);
  const bool has_request = is_answer || outgoing_.type == OutgoingType::kCall;
  const Message message{.type = type_of(outgoing_.type),
                        .request = has_request ? outgoing_.reference : 0,
                        .stream = rings_.uid(),
                        .number = outgoing_.position + 1,
                        .flags = 0,
                        .strings = strings};
  if (is_answer && receiver != nullptr && !resp::is_one_value(strings[0])) {
    value_ = error_value("ERR server '" + sender_.name() + "' wrote a malformed reply");
    return tell_receiver(name, *receiver, message);
  }
  const Answer answer = receiver == nullptr ? Answer::kUnknown : receiver->take(message);
  switch (on_answer(outgoing_.type, answer)) {
    case Step::kFinish: return finish(name);
    case Step::kWait: return wait(name, *receiver);
    case Step::kTellCaller: return tell_caller(name, answer, receiver);
    case Step::kTellReceiver:
      value_ = error_value(receiver->too_big_text());
      return tell_receiver(name, *receiver, message);
    case Step::kDrop: break;
  }
  drop(name, answer == Answer::kTooBig ? "it is too big"
             : answer == Answer::kDown ? "it is down"
                                       : "there is no such server");
  finish(name);
}

// An answer whose value can't be delivered is replaced by an error, under the same number.
void Courier::tell_receiver(std::string_view name, Receiver& receiver, Message message) {
  const std::array<std::string_view, 1> strings{value_};
  message.strings = strings;
  const Answer answer = receiver.take(message);
  switch (on_answer_of_caller(answer)) {
    case Step::kWait: return wait(name, receiver);
    case Step::kDrop: drop(name, "it is down"); break;
    case Step::kFinish:
    case Step::kTellCaller:
    case Step::kTellReceiver: break;
  }
  finish(name);
}

// The error that answers a call of the sender's. Until it is delivered the call stays first of its
// queue: the errors keep their order, and a receiver that comes back meanwhile gets the call.
void Courier::tell_caller(std::string_view name, Answer answer, Receiver* receiver) {
  switch (answer) {
    case Answer::kTooBig: value_ = error_value(receiver->too_big_text()); break;
    case Answer::kDown: value_ = error_value(receiver->down_text()); break;
    case Answer::kUnknown:
    case Answer::kDelivered:
    case Answer::kFull:
    case Answer::kWait: value_ = no_server(name); break;
  }
  const std::array<std::string_view, 1> strings{value_};
  const Answer told = sender_.take({.type = MessageType::kAnswer,
                                    .request = outgoing_.reference,
                                    .stream = rings_.uid(),
                                    .number = outgoing_.position + 1,
                                    .flags = 0,
                                    .strings = strings});
  switch (on_answer_of_caller(told)) {
    case Step::kWait: return wait(name, sender_);
    case Step::kDrop: drop(sender_.name(), "it is down"); break;
    case Step::kFinish:
    case Step::kTellCaller:
    case Step::kTellReceiver: break;
  }
  finish(name);
}

void Courier::finish(std::string_view name) { router_.finish(name); }

void Courier::wait(std::string_view name, Receiver& for_whom) {
  router_.block(name);
  auto& lane = lanes_[std::string(name)];
  if (!lane) lane = std::make_shared<Lane>(*this, name);
  for_whom.wait_for_room(lane);
}

// One message at once, so that it takes its turn among those who wait for the same room; the rest
// with the next batch.
void Courier::lane_is_open(const std::string& name) {
  const auto found = lanes_.find(name);
  if (found == lanes_.end()) return;
  const auto lane = std::move(found->second);  // keeps `name`
  lanes_.erase(found);
  router_.unblock(lane->receiver);
  const auto turn = router_.next(lane->receiver);
  if (!turn) return;
  if (!deliver(*turn)) return damaged_();
  rings_.free_outbox(router_.head());
  carry_later();
}

void Courier::drop(std::string_view name, std::string_view why) {
  ++dropped_;
  ++dropped_since_log_;
  const auto now = std::chrono::steady_clock::now();
  if (now < quiet_until_) return;
  quiet_until_ = now + kQuiet;
  spdlog::warn("server {}: {} of its messages dropped, the last to {}: {}", sender_.name(),
               std::exchange(dropped_since_log_, 0), quoted(name), why);
}

}  // namespace peeper::daemon
