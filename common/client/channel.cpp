#include "common/client/channel.hpp"

#include <algorithm>
#include <boost/container/small_vector.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

#include "common/clock.hpp"
#include "common/segment/futex.hpp"
#include "common/segment/message.hpp"

namespace peeper {
namespace {

using segment::ClientFault;
using segment::ClientState;
using segment::MessageHead;
using segment::MessageType;

// A daemon that was killed rings no bell.
constexpr std::chrono::milliseconds kLongestSleep{100};
// A copy that grew beyond this for a large reply is given back after it.
constexpr std::size_t kKeptBytes = 256 * 1024;

MessageType type_of(Channel::Kind kind) {
  switch (kind) {
    case Channel::Kind::kCall: return MessageType::kCall;
    case Channel::Kind::kCast: return MessageType::kCast;
    case Channel::Kind::kSend: return MessageType::kInfo;
  }
  return MessageType::kCall;
}

Failure broken() {
  return {"the channel's memory was overwritten; open another one", EPROTO};
}

// A request's strings: its message, its arguments, its token. On the stack, if they are few.
boost::container::small_vector<std::string_view, 16> strings_of(const Channel::Request& request) {
  boost::container::small_vector<std::string_view, 16> strings{request.message};
  strings.insert(strings.end(), request.arguments.begin(), request.arguments.end());
  if (!request.token.empty()) strings.push_back(request.token);
  return strings;
}

std::uint64_t number_in(const resp::Reply& map, std::string_view key) {
  const resp::Reply* field = map.field(key);
  const bool is_number = field != nullptr && field->type == resp::Reply::Type::kInteger;
  return is_number && field->integer > 0 ? static_cast<std::uint64_t>(field->integer) : 0;
}

}  // namespace

Result<Channel> Channel::open(std::string_view server, ChannelOptions options) {
  auto connection = Connection::connect(options.socket, options.timeout);
  if (!connection) return connection.error();
  if (const auto hello = connection->hello(3, options.timeout); !hello) return hello.error();
  const std::string ring_bytes = std::to_string(options.ring_bytes);
  const auto opened = connection->command({"CHANNEL", server, ring_bytes}, options.timeout);
  if (!opened) return opened.error();
  if (opened->is_error()) return Failure{opened->text, EREMOTEIO};
  if (number_in(*opened, "layout") != segment::kLayoutVersion)
    return Failure{"peeperd and this program are of different versions: channels of layout " +
                       std::to_string(number_in(*opened, "layout")) + ", not " +
                       std::to_string(segment::kLayoutVersion),
                   EPROTO};
  const UniqueFd file = connection->take_descriptor();
  auto memory = segment::ClientMemory::map(file.get(), number_in(*opened, "ring_bytes"));
  if (!memory) return memory.error();
  return Channel{std::string(server), std::move(options), *std::move(connection),
                 *std::move(memory)};
}

Channel::Channel(std::string server, ChannelOptions options, Connection connection,
                 segment::ClientMemory memory)
    : server_(std::move(server)),
      options_(std::move(options)),
      connection_(std::move(connection)),
      memory_(std::move(memory)),
      requests_(memory_.requests()),
      replies_(memory_.replies()),
      busy_poll_(options_.busy_poll) {}

// --- Waiting -------------------------------------------------------------------------------------

bool Channel::is_down() const {
  return header().state.load(std::memory_order_acquire) == ClientState::kDown;
}

Result<void> Channel::look_for_trouble() const {
  switch (header().fault.load(std::memory_order_acquire)) {
    case ClientFault::kNone: break;
    case ClientFault::kMalformed: return broken();
    case ClientFault::kUnread:
      return Failure{"server '" + server_ +
                         "' had more to reply than the channel holds; read replies sooner, or open "
                         "one with larger rings",
                     ECONNRESET};
  }
  if (header().state.load(std::memory_order_acquire) == ClientState::kClosed ||
      !connection_.is_alive())
    return Failure{"the channel to server '" + server_ +
                       "' has ended with its peeperd, or with its segment; open another one",
                   ECONNRESET};
  return {};
}

// The worker publishes, then looks whether we sleep; we say so, then look once more. One of the two
// sees the other.
template <class Ready>
Result<bool> Channel::wait_until(Ready ready, Clock::time_point deadline) {
  give_room();
  const std::uint64_t limit = busy_poll_.begin();
  if (limit != 0) {
    const std::uint64_t begin = now_ns();
    do {
      // Some looks between two at the clock, which costs more than they do.
      for (int i = 0; i < 16; ++i, pause_looking())
        if (ready()) {
          busy_poll_.found();
          return true;
        }
    } while (now_ns() - begin < limit);
    busy_poll_.looked_in_vain();
  }
  const std::uint64_t begin = now_ns();
  segment::ClientHeader& shared = header();
  while (true) {
    const std::uint32_t seen = shared.client_bell.load(std::memory_order_acquire);
    shared.client_sleeps.store(1, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    const bool is_there = ready();
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    if (!is_there && left.count() > 0 && !is_down())
      segment::futex_wait(shared.client_bell, seen, std::min(left, kLongestSleep));
    shared.client_sleeps.store(0, std::memory_order_relaxed);
    if (is_there || ready()) {
      busy_poll_.slept(now_ns() - begin);
      return true;
    }
    if (const auto fine = look_for_trouble(); !fine) return fine.error();
    if (left.count() <= 0 || is_down()) return false;
  }
}

// Not for each reply: a store that another processor reads costs both of them a trip.
void Channel::give_room() {
  if (given_head_ == reply_head_) return;
  given_head_ = reply_head_;
  segment::ClientHeader& shared = header();
  shared.reply_head.store(reply_head_, std::memory_order_release);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  // It may wait until half of the ring is free.
  if (shared.room_wanted.load(std::memory_order_relaxed) != 0 &&
      shared.reply_tail.load(std::memory_order_acquire) - reply_head_ <= replies_.bytes() / 2)
    wake_worker();
}

void Channel::wake_worker() {
  header().worker_bell.fetch_add(1, std::memory_order_release);
  segment::futex_wake(header().worker_bell);
}

// --- Requests ------------------------------------------------------------------------------------

bool Channel::has_room(std::uint64_t record_bytes) {
  const auto fits = [&] {
    return segment::place_record(request_head_, request_tail_, requests_.bytes(), record_bytes)
        .has_value();
  };
  if (fits()) return true;
  const std::uint64_t head = header().request_head.load(std::memory_order_acquire);
  if (!segment::ends_are_sane(head, request_tail_, requests_.bytes())) return false;
  request_head_ = head;
  return fits();
}

Result<void> Channel::post(const Request& request) {
  const auto strings = strings_of(request);
  if (request.token.size() > limits::kTokenBytes)
    return Failure{"a token may have at most " + std::to_string(limits::kTokenBytes) + " bytes",
                   EMSGSIZE};
  const std::uint64_t bytes = segment::record_bytes<MessageHead>(strings);
  if (bytes > segment::largest_record(requests_.bytes()))
    return Failure{"a request may have half of the channel's ring, " +
                       std::to_string(segment::largest_record(requests_.bytes())) + " bytes",
                   EMSGSIZE};
  // A tick is nothing to a deadline. The steady clock is CLOCK_MONOTONIC.
  const Clock::time_point deadline =
      Clock::time_point{std::chrono::nanoseconds{tick_ns()}} + options_.timeout;
  while (!has_room(bytes)) {
    // Who doesn't read what it is answered is asked nothing more.
    const auto took = take_reply();
    if (!took) return took.error();
    if (*took) continue;
    const auto there = wait_until([&] { return has_room(bytes) || has_reply(); }, deadline);
    if (!there) return there.error();
    if (!*there) return Failure{"server '" + server_ + "' takes no more requests", ETIMEDOUT};
  }
  const auto place =
      segment::place_record(request_head_, request_tail_, requests_.bytes(), bytes);
  requests_.write_pad(request_tail_, place->pad);
  const MessageHead head{.bytes = static_cast<std::uint32_t>(bytes),
                         .type = type_of(request.kind),
                         .request = last_number_ + 1,
                         .stream = 0,
                         .number = 0,
                         .epoch = 0,
                         .strings = static_cast<std::uint32_t>(strings.size()),
                         .flags = request.token.empty() ? 0 : segment::kHasToken,
                         .pid = 0};
  std::memcpy(requests_.at(place->start), &head, sizeof head);
  segment::write_strings(requests_.at(place->start) + sizeof head, strings);
  ++last_number_;
  waiting_.push_back({deadline, false, {}});
  request_tail_ = place->end;
  header().request_tail.store(request_tail_, std::memory_order_release);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (header().worker_sleeps.load(std::memory_order_relaxed) != 0) wake_worker();
  return {};
}

// --- Replies -------------------------------------------------------------------------------------

// Copied before it is looked at, as everything that others may write.
Result<bool> Channel::take_reply() {
  if (!has_reply()) return false;
  const auto found = replies_.find<segment::ReplyHead>(reply_head_, reply_tail_);
  if (found.status != found.kRecord || found.head.value_bytes > found.body.size())
    return broken();
  if (value_.capacity() > kKeptBytes) value_ = {};
  value_.assign(reinterpret_cast<const char*>(found.body.data()), found.head.value_bytes);
  reply_head_ = found.position + found.head.bytes;
  if (reply_head_ - given_head_ >= replies_.bytes() / 8) give_room();

  // To one that was given up: nobody waits for it.
  const std::uint64_t oldest = last_number_ + 1 - waiting_.size();
  if (found.head.request < oldest || found.head.request > last_number_) return true;
  Waiting& asked = waiting_[found.head.request - oldest];
  if (asked.answered) return true;
  auto read = resp::read_value(value_);
  if (!read || read->bytes != value_.size())
    return Failure{"server '" + server_ + "' wrote a malformed reply", EPROTO};
  asked.reply = std::move(read->reply);
  asked.answered = true;
  return true;
}

resp::Reply Channel::give_up_oldest() {
  waiting_.pop_front();
  if (is_down())
    return resp::error_reply("DOWN " + server_ +
                             ": it is down; the message may be handled when it is back. To see "
                             "why: peeper status " +
                             server_);
  return resp::error_reply("TIMEOUT " + server_ +
                           ": no reply in time; the message may still be handled");
}

Result<resp::Reply> Channel::next() {
  if (waiting_.empty()) return Failure{"nothing was asked that could be answered", EINVAL};
  while (!waiting_.front().answered) {
    const auto took = take_reply();
    if (!took) return took.error();
    if (*took) continue;
    const auto there = wait_until([&] { return has_reply(); }, waiting_.front().deadline);
    if (!there) return there.error();
    if (!*there) return give_up_oldest();
  }
  resp::Reply reply = std::move(waiting_.front().reply);
  waiting_.pop_front();
  return reply;
}

Result<bool> Channel::is_next_here() {
  while (!waiting_.empty() && !waiting_.front().answered) {
    const auto took = take_reply();
    if (!took) return took.error();
    if (!*took) return false;
  }
  return !waiting_.empty();
}

Result<resp::Reply> Channel::run(const Request& request) {
  if (!waiting_.empty()) return Failure{"replies to earlier requests are to be read first", EBUSY};
  if (const auto posted = post(request); !posted) return posted.error();
  return next();
}

}  // namespace peeper
