#include "worker/runtime/services.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <stdexcept>

#include "common/clock.hpp"
#include "common/segment/futex.hpp"

namespace peeper::worker {
namespace {

// How long a message waits for room in the outbox. Its receivers may have no room themselves; a
// server that waited for another without end could wait for itself.
constexpr std::uint64_t kOutboxPatienceNs = 2'000'000'000;

bool is_same(const abi::From& a, const abi::From& b) {
  return a.request == b.request && a.server == b.server && a.epoch == b.epoch &&
         a.client == b.client;
}

peeper::string copy(std::string_view text) { return {text.data(), text.size()}; }

Timer make_timer(Timer::Kind kind, Services::Strings strings) {
  Timer timer{kind, {}};
  timer.strings.reserve(strings.size());
  for (const std::string_view text : strings) timer.strings.push_back(copy(text));
  return timer;
}

}  // namespace

std::string no_effects_text(const char* callback) {
  return std::string(callback) +
         " may have no effects: it can't reply, send, publish, set or cancel timers, or write the "
         "dictionary";
}

void Services::open(PageGuard::Access access) {
  open_for_ = access;
  watched_.reset();
  first_reply_.reset();
  guard_.begin_message(access);
}

void Services::require_effects() const {
  if (!open_for_)
    throw std::logic_error("only a callback may do this, on its own thread, while it runs");
  if (no_effects_in_ != nullptr)
    throw std::logic_error(no_effects_text(no_effects_in_));
}

Durable& Services::change() {
  require_effects();
  if (open_for_ == PageGuard::Access::kReadsOnly) {
    open_for_ = PageGuard::Access::kWrites;
    guard_.begin_writing();
  }
  return heap_.durable();
}

void* Services::allocate(std::size_t bytes, std::size_t alignment) {
  change();  // the allocator's own records lie in the heap
  return heap_.allocate(bytes, alignment);
}

bool Services::reply(const abi::From& to, std::string_view value) {
  require_effects();
  if (watched_ && is_same(*watched_, to) && !first_reply_) first_reply_.emplace(value);
  if (durable().tokens.size() != 0) {
    const auto last = change().tokens.answer(to, value, token_bounds());
    if (last && !is_same(*last, to) && answer(*last, value)) {
      answer(to, value);
      return true;
    }
  }
  return answer(to, value);
}

bool Services::answer(const abi::From& to, std::string_view value) {
  require_effects();
  if (to.request == 0) return false;
  if (to.server != 0) {
    const std::array<std::string_view, 1> strings{value};
    send(segment::OutgoingType::kAnswer, to.request, to.server, strings);
    return true;
  }
  if (to.client != 0) return answer_client(to, value);
  const segment::ReplyEnds& ends = segment_.control().replies;
  if (to.epoch != ends.epoch.load(std::memory_order_acquire)) return false;
  if (value.size() > transaction_.largest_value())
    throw std::length_error("the reply is larger than half of the mailbox; raise 'mailbox'");
  const auto bytes = static_cast<std::uint32_t>(value.size());
  std::byte* room = transaction_.add_reply(to.request, to.epoch, bytes);
  while (room == nullptr) {
    // More than the ring holds, and all of it this message's own: it would wait for ever.
    if (ends.head.load(std::memory_order_acquire) == transaction_.reply_tail())
      throw std::length_error("this message's replies are larger than the mailbox; raise 'mailbox'");
    wait_for_room(ends.head, UINT64_MAX);
    room = transaction_.add_reply(to.request, to.epoch, bytes);
  }
  std::memcpy(room, value.data(), value.size());
  return true;
}

// Nothing waits for a client: one that doesn't read what it is answered loses its channel.
bool Services::answer_client(const abi::From& to, std::string_view value) {
  segment::ClientChannel* client = clients_.find(to.client);
  if (client == nullptr) return false;
  if (!transaction_.add_client_reply(*client, to.request, value))
    client->set_fault(segment::ClientFault::kUnread);
  return true;
}

std::uint64_t Services::send_after(std::uint64_t ns, Strings strings) {
  Durable& kept = change();
  Timer timer = make_timer(Timer::Kind::kMessage, strings);
  const std::uint64_t number = ++kept.last_number;
  kept.timers.add(number, ns_from_now(ns), std::move(timer));
  return number;
}

std::optional<std::uint64_t> Services::cancel(std::uint64_t timer) {
  const auto due = change().timers.cancel(timer, Timer::Kind::kMessage);
  if (!due) return std::nullopt;
  const std::uint64_t now = now_ns();
  return *due > now ? *due - now : 0;
}

void Services::post(segment::OutgoingType type, Strings strings) {
  require_effects();
  send(type, 0, 0, strings);
}

std::uint64_t Services::call(std::uint64_t timeout_ns, Strings strings) {
  Durable& kept = change();
  const std::uint64_t reference = ++kept.last_number;
  kept.timers.add(reference, ns_from_now(timeout_ns),
                  make_timer(Timer::Kind::kCall, strings.first(1)));
  send(segment::OutgoingType::kCall, reference, 0, strings);
  return reference;
}

void Services::publish(std::string_view channel, std::string_view value) {
  require_effects();
  const std::array<std::string_view, 2> strings{channel, value};
  send(segment::OutgoingType::kPublish, 0, 0, strings);
}

// --- Rings ---------------------------------------------------------------------------------------

void Services::send(segment::OutgoingType type, std::uint64_t reference, std::uint64_t target,
                    Strings strings) {
  if (segment::record_bytes<segment::OutgoingHead>(strings) > transaction_.largest_outgoing())
    throw std::length_error("an outgoing message may have at most " +
                            std::to_string(transaction_.largest_outgoing()) +
                            " bytes, an eighth of the mailbox; raise 'mailbox'");
  const segment::Atomic64& head = segment_.control().outbox.head;
  const std::uint64_t deadline = ns_from_now(kOutboxPatienceNs);
  while (!transaction_.add_outgoing(type, reference, target, strings)) {
    if (head.load(std::memory_order_acquire) == transaction_.outbox_tail())
      throw std::length_error("this message sends more than the outbox holds, " +
                              std::to_string(segment_.outbox().bytes()) +
                              " bytes; send less at once or raise 'mailbox'");
    const std::uint64_t now = now_ns();
    if (now >= deadline)
      throw std::runtime_error(
          "the outbox is full: what was sent before waits for servers whose mailbox is full");
    wait_for_room(head, deadline - now);
  }
}

// The daemon publishes a ring's head, then looks at `writer_waits`. Replies it drains as long as it
// lives, and our end comes with its own.
void Services::wait_for_room(const segment::Atomic64& head, std::uint64_t most_ns) {
  segment::ReplyEnds& ends = segment_.control().replies;
  ring();
  const std::uint64_t seen_head = head.load(std::memory_order_acquire);
  const std::uint32_t seen = ends.room.load(std::memory_order_acquire);
  ends.writer_waits.store(1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  // Short sleeps: the head may have moved before it was looked at.
  const std::chrono::nanoseconds patience{
      static_cast<std::int64_t>(std::min<std::uint64_t>(most_ns, 1'000'000'000))};
  if (head.load(std::memory_order_relaxed) == seen_head)
    segment::futex_wait(ends.room, seen, patience);
  ends.writer_waits.store(0, std::memory_order_relaxed);
}

void Services::ring() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(bell_, &one, sizeof one);
}

}  // namespace peeper::worker
