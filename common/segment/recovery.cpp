#include "common/segment/recovery.hpp"

#include <array>
#include <cerrno>
#include <cstring>

#include "common/limits.hpp"
#include "common/resp/writer.hpp"
#include "common/segment/message.hpp"
#include "common/segment/transaction.hpp"

namespace peeper::segment {
namespace {

Failure damaged(const Segment& segment, const std::string& what) {
  return {"segment " + segment.id().path() + " of server '" + segment.id().server +
              "' is damaged: " + what +
              ". Keep a copy for a post-mortem (cp " + segment.id().path() +
              " /var/tmp/) and, to start over with an empty state, remove it: rm " +
              segment.id().path(),
          0};
}

}  // namespace

Result<RolledBack> roll_back(const Segment& segment) {
  Control& control = segment.control();
  control.worker.may_start.store(0, std::memory_order_release);  // until all is done
  const std::uint64_t sequence = control.committed.load(std::memory_order_acquire);
  const Slot slot = control.slot[sequence & 1];
  if (slot.sequence != sequence) return damaged(segment, "the last commit's slot isn't its own");
  if (!ends_are_sane(slot.mailbox_head, control.mailbox.tail.load(std::memory_order_acquire),
                     segment.mailbox().bytes()))
    return damaged(segment, "the mailbox's ends contradict each other");
  if (!ends_are_sane(control.replies.head.load(std::memory_order_acquire), slot.reply_tail,
                     segment.replies().bytes()))
    return damaged(segment, "the replies' ends contradict each other");
  if (!ends_are_sane(control.outbox.head.load(std::memory_order_acquire), slot.outbox_tail,
                     segment.outbox().bytes()))
    return damaged(segment, "the outbox's ends contradict each other");
  const std::uint64_t reserved = control.worker.heap_reserved.load(std::memory_order_acquire);
  if (reserved > segment.heap().size() || reserved % kPageBytes != 0)
    return damaged(segment, "more heap is reserved than there is");

  RolledBack done{sequence, 0};
  if (control.journal.sequence.load(std::memory_order_acquire) == sequence + 1) {
    const std::uint64_t heap_pages = reserved / kPageBytes;
    const std::uint64_t count = control.journal.count.load(std::memory_order_acquire);
    if (count > heap_pages) return damaged(segment, "the journal has more pages than the heap");
    const auto index = segment.journal_index();
    for (std::uint64_t i = 0; i < count; ++i)
      if (index[i] >= heap_pages) return damaged(segment, "the journal names a page out of range");
    // Newest first, so that of two images of a page the older one would stay.
    for (std::uint64_t i = count; i-- > 0;)
      std::memcpy(segment.heap().data() + std::size_t{index[i]} * kPageBytes,
                  segment.journal_pages() + i * kPageBytes, kPageBytes);
    done.pages_restored = count;
  }
  compiler_fence();
  Transaction::publish(control);
  return done;
}

namespace {

const char* name_of(Channel channel) {
  switch (channel) {
    case Channel::kContinue: return "handle_continue";
    case Channel::kTimer: return "timer";
    case Channel::kTimeout: return "timeout";
    case Channel::kNone:
    case Channel::kInit:
    case Channel::kMailbox:
    case Channel::kTerminate:
    case Channel::kStart:
    case Channel::kCodeChange:
    case Channel::kSystem: break;
  }
  return "";
}

// From here on it waits as before its first run: who dies before beginning it did not die of it.
void run_again(InFlight& flying) { flying.sequence.store(0, std::memory_order_release); }

Failure no_room(const Segment& segment) {
  return Failure{"the replies of server '" + segment.id().server + "' have no room", EAGAIN};
}

// Tells the caller, a client or another server, what became of its call. Clients are there no
// longer than their daemon, which would have seen the death; and before the next one has attached
// nobody makes room in the replies.
Result<void> answer_with_error(const Segment& segment, Transaction& transaction,
                               const MessageHead& head, Observed observed,
                               const std::string& text) {
  const bool is_here =
      head.stream != 0 ||
      (observed != Observed::kNobodySaw &&
       head.epoch == segment.control().replies.epoch.load(std::memory_order_acquire));
  if (head.request == 0 || head.type == MessageType::kAnswer || !is_here) return {};
  std::string value;
  resp::append_error(value, text);
  if (head.stream != 0) {
    // A full outbox may stay full as long as another server is stuck. Its caller's own time limit
    // answers then: a call has one answer, whoever gives it.
    const std::array<std::string_view, 1> strings{value};
    [[maybe_unused]] const bool told =
        transaction.add_outgoing(OutgoingType::kAnswer, head.request, head.stream, strings);
    return {};
  }
  std::byte* room = transaction.add_reply(head.request, head.epoch,
                                          static_cast<std::uint32_t>(value.size()));
  if (room == nullptr) return no_room(segment);
  std::memcpy(room, value.data(), value.size());
  return {};
}

}  // namespace

Result<Settled> settle(const Segment& segment, const Death& death) {
  Control& control = segment.control();
  const std::uint64_t sequence = control.committed.load(std::memory_order_acquire);
  InFlight& flying = control.in_flight;
  Settled settled;
  settled.cause = describe(death, read_crash(segment.crash(), death.incarnation));
  if (flying.sequence.load(std::memory_order_acquire) != sequence + 1) return settled;

  const bool is_kept = is_kept_in_heap(flying.channel);
  constexpr auto kDrop = static_cast<std::uint32_t>(Verdict::kDrop);
  // Judged before, and no worker has come to carry it out: who died since died of something else.
  if (is_kept && flying.verdict.load(std::memory_order_acquire) == kDrop) return settled;
  settled.verdict = judge(flying.channel, flying.attempt, death.observed, death.retries);
  if (settled.verdict == Verdict::kNothing) return settled;
  if (is_kept) {
    settled.message = name_of(flying.channel);
    if (settled.verdict == Verdict::kDrop)
      flying.verdict.store(kDrop, std::memory_order_release);
    else
      run_again(flying);
    return settled;
  }

  Transaction transaction{segment};
  const auto found = segment.mailbox().find<MessageHead>(
      transaction.mailbox_head(), control.mailbox.tail.load(std::memory_order_acquire));
  if (found.status != found.kRecord || found.position != flying.position)
    return damaged(segment, "the message in flight isn't in the mailbox");
  bool is_name = true;
  const bool readable = read_strings(found.head, found.body, [&](std::string_view text) {
    if (std::exchange(is_name, false)) settled.message = printable(text, 64);
  });
  if (!readable) return damaged(segment, "the message in flight is malformed");
  if (found.head.type == MessageType::kAnswer) settled.message = "answer";
  if (settled.verdict != Verdict::kDrop) {
    run_again(flying);
    return settled;
  }

  transaction.begin_drop();
  const auto answered = answer_with_error(
      segment, transaction, found.head, death.observed,
      "CRASHED " + segment.id().server + ": " + settled.cause + " in '" + settled.message + "'");
  if (!answered) return answered.error();
  if (found.head.stream != 0)
    transaction.set_dropped({found.head.stream, found.head.number, answered_call(found.head), 0});
  transaction.commit(found.position + found.head.bytes);
  return settled;
}

}  // namespace peeper::segment
