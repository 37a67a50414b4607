#include "common/segment/recovery.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "common/limits.hpp"
#include "common/resp/writer.hpp"
#include "common/segment/dead_letters.hpp"
#include "common/segment/history.hpp"
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
  ClientChannels none;
  return roll_back(segment, none);
}

Result<RolledBack> roll_back(const Segment& segment, ClientChannels& clients) {
  Control& control = segment.control();
  control.worker.may_start.store(0, std::memory_order_release);  // until all is done
  const std::uint64_t sequence = control.committed.load(std::memory_order_acquire);
  const Slot slot = control.slot[sequence & 1];
  if (slot.sequence != sequence) return damaged(segment, "the last commit's slot isn't its own");
  if (!ends_are_sane(slot.mailbox_head, control.mailbox.tail.load(std::memory_order_acquire),
                     segment.mailbox().bytes()))
    return damaged(segment, "the mailbox's ends contradict each other");
  if (slot.system_done > control.mailbox.tail.load(std::memory_order_acquire))
    return damaged(segment, "system messages are over that were never sent");
  if (!ends_are_sane(control.replies.head.load(std::memory_order_acquire), slot.reply_tail,
                     segment.replies().bytes()))
    return damaged(segment, "the replies' ends contradict each other");
  if (!ends_are_sane(control.outbox.head.load(std::memory_order_acquire), slot.outbox_tail,
                     segment.outbox().bytes()))
    return damaged(segment, "the outbox's ends contradict each other");
  if (!letter_ends_are_sane(control.letters.head.load(std::memory_order_acquire),
                            slot.letter_tail, segment.letters().bytes()))
    return damaged(segment, "the dead letters' ends contradict each other");
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
    order_fence();
    if (!sign_pages(segment.page_writers(), segment.block_writers(), index.first(count),
                    sequence + 1))
      return damaged(segment, "the journal names a page out of range");
    done.pages_restored = count;
  }
  // Before another transaction of this sequence is committed.
  for (ClientEntry& entry : control.clients) {
    hold_back(entry, sequence);
    entry.attached.store(0, std::memory_order_release);
  }
  compiler_fence();
  Transaction::publish(control);
  clients.drop_closed(control);
  clients.take_up(control);
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
    case Channel::kSystem:
    case Channel::kClient: break;
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

// Incarnation of the worker that died. The segment knows it where nobody saw.
std::uint32_t worker_of(const Segment& segment, const Death& death) {
  return death.observed == Observed::kNobodySaw
             ? segment.control().worker.incarnation.load(std::memory_order_acquire)
             : death.incarnation;
}

CrashReport report_of(const Segment& segment, const Death& death) {
  const std::uint32_t incarnation = worker_of(segment, death);
  return incarnation == 0 ? CrashReport{} : read_crash(segment.crash(), incarnation);
}

// A worker that has run terminate after an exception has dropped the message itself, in the last
// transaction that it committed.
Flight already_dropped(const Segment& segment, const Death& death) {
  Flight flight;
  const Control& control = segment.control();
  const std::uint64_t sequence = control.committed.load(std::memory_order_acquire);
  auto letters = read_letters(segment, control.slot[sequence & 1].letter_count);
  if (letters.empty() || letters[0].sequence != sequence ||
      letters[0].incarnation != worker_of(segment, death))
    return flight;
  flight.channel = letters[0].channel;
  flight.verdict = Verdict::kDrop;
  flight.attempt = control.in_flight.attempt;
  flight.name = printable(letters[0].strings.front(), 64);
  const std::vector<std::string_view> strings{letters[0].strings.begin(),
                                              letters[0].strings.end()};
  std::vector<std::byte> body(record_bytes<MessageHead>(strings) - sizeof(MessageHead));
  write_strings(body.data(), strings);
  flight.take(letters[0].message, body);
  return flight;
}

// The message in flight, wherever it waits.
struct InHand {
  MessageHead head;
  std::span<const std::byte> body;
  std::uint64_t end;      // of its record
  ClientChannel* client;  // of whose channel; nullptr: of the mailbox
  std::vector<std::byte> copy;
};

Result<InHand> find_in_mailbox(const Segment& segment, const InFlight& flying,
                               std::uint64_t mailbox_head) {
  // Out of its turn it may be anywhere in it.
  const bool has_turn = flying.channel != Channel::kSystem;
  const std::uint64_t from = has_turn ? mailbox_head : std::max(mailbox_head, flying.position);
  const auto found = segment.mailbox().find<MessageHead>(
      from, segment.control().mailbox.tail.load(std::memory_order_acquire));
  if (found.status != found.kRecord || found.position != flying.position ||
      (!has_turn && !is_system(found.head.type)))
    return damaged(segment, "the message in flight isn't in the mailbox");
  return InHand{found.head, found.body, found.position + found.head.bytes, nullptr, {}};
}

// None: its channel is closed, or its client has overwritten it.
std::optional<InHand> find_in_channel(ClientChannel* client, const InFlight& flying) {
  if (client == nullptr) return std::nullopt;
  const auto found = client->first();
  if (found.status != found.kRecord || found.position != flying.position ||
      !is_request(found.head)) {
    client->set_fault(ClientFault::kMalformed);
    return std::nullopt;
  }
  InHand hand{found.head, {}, found.position + found.head.bytes, client,
              {found.body.begin(), found.body.end()}};
  hand.body = hand.copy;
  hand.head.stream = 0;  // whatever the client says
  hand.head.pid = client->pid();
  return hand;
}

}  // namespace

Result<Settled> settle(const Segment& segment, const Death& death) {
  ClientChannels none;
  return settle(segment, death, none);
}

Result<Settled> settle(const Segment& segment, const Death& death, ClientChannels& clients) {
  Control& control = segment.control();
  clients.take_up(control);
  const std::uint64_t sequence = control.committed.load(std::memory_order_acquire);
  InFlight& flying = control.in_flight;
  const CrashReport report = report_of(segment, death);
  Settled settled;
  settled.cause = describe(death, report);
  Flight flight;
  const auto remember = [&] { settled.crash = remember_crash(segment, death, report, flight); };
  if (flying.sequence.load(std::memory_order_acquire) != sequence + 1) {
    flight = already_dropped(segment, death);
    remember();
    return settled;
  }

  flight.channel = flying.channel;
  flight.attempt = flying.attempt;
  const bool is_kept = is_kept_in_heap(flying.channel);
  constexpr auto kDrop = static_cast<std::uint32_t>(Verdict::kDrop);
  // Judged before, and no worker has come to carry it out: who died since died of something else.
  if (is_kept && flying.verdict.load(std::memory_order_acquire) == kDrop) {
    flight = {};
    remember();
    return settled;
  }
  settled.verdict = judge(flying.channel, flying.attempt, death.observed, death.retries);
  flight.verdict = settled.verdict;
  if (settled.verdict == Verdict::kNothing || is_kept) {
    settled.message = name_of(flying.channel);
    flight.name = settled.message.empty() ? word_for(flying.channel) : settled.message;
    remember();
    if (settled.verdict == Verdict::kDrop)
      flying.verdict.store(kDrop, std::memory_order_release);
    else if (settled.verdict == Verdict::kRunAgain)
      run_again(flying);
    return settled;
  }

  Transaction transaction{segment};
  std::optional<InHand> hand;
  if (flying.channel == Channel::kClient) {
    hand = find_in_channel(clients.find(flying.client), flying);
  } else {
    auto found = find_in_mailbox(segment, flying, transaction.mailbox_head());
    if (!found && flying.channel != Channel::kSystem) return found.error();
    if (found) hand = *std::move(found);
  }
  bool is_name = true;
  const bool readable =
      hand && read_strings(hand->head, hand->body, [&](std::string_view text) {
        if (std::exchange(is_name, false)) settled.message = printable(text, 64);
      });
  if (!readable) {
    if (flying.channel == Channel::kMailbox)
      return damaged(segment, "the message in flight is malformed");
    // It went with its channel, or its client has spoilt it: there is nothing to drop or to run. A
    // system message is met again in its turn.
    if (hand && hand->client != nullptr) hand->client->set_fault(ClientFault::kMalformed);
    settled.message = flight.name = word_for(flying.channel);
    settled.verdict = flight.verdict = Verdict::kDrop;
    remember();
    run_again(flying);
    return settled;
  }
  if (hand->head.type == MessageType::kAnswer) settled.message = "answer";
  flight.name = settled.message;
  flight.take(hand->head, hand->body);
  if (death.name_of != nullptr && hand->head.pid != 0)
    flight.sender = printable(death.name_of(hand->head.pid), sizeof CrashEntry::sender);
  remember();
  if (settled.verdict != Verdict::kDrop) {
    run_again(flying);
    return settled;
  }

  transaction.begin_drop();
  const std::string text =
      "CRASHED " + segment.id().server + ": " + settled.cause + " in '" + settled.message + "'";
  if (hand->client != nullptr) {
    std::string value;
    resp::append_error(value, text);
    transaction.take_request(*hand->client, hand->end);
    if (!transaction.add_client_reply(*hand->client, hand->head.request, value))
      hand->client->set_fault(ClientFault::kUnread);
  } else {
    const auto answered =
        answer_with_error(segment, transaction, hand->head, death.observed, text);
    if (!answered) return answered.error();
  }
  if (hand->head.stream != 0)
    transaction.set_dropped({hand->head.stream, hand->head.number, answered_call(hand->head), 0});
  // What sys asks is nothing to keep.
  if (!is_system(hand->head.type))
    transaction.add_letter({death.at_ns, worker_of(segment, death), flying.channel,
                            settled.cause, flight.sender},
                           hand->head, hand->body);
  const bool has_turn = flying.channel == Channel::kMailbox;
  if (flying.channel == Channel::kSystem) transaction.set_system_done(hand->end);
  transaction.commit(has_turn ? hand->end : transaction.mailbox_head());
  return settled;
}

void begin_anew(const Segment& segment) {
  Transaction transaction{segment};
  // Without a commit there is no State yet.
  if (transaction.sequence() == 0 || transaction.begins_anew()) return;
  transaction.begin_drop();
  transaction.set_begin_anew(true);
  transaction.commit(transaction.mailbox_head());
}

}  // namespace peeper::segment
