// One message is one transaction, and a transaction becomes true at one 8-byte store.
//
//   begin()    in flight = {sequence + 1, …}; the journal is empty and belongs to sequence + 1
//   …          the callback; every page's pre-image is in the journal before its first write;
//              replies and outgoing messages are written beyond the published ends of their rings
//   commit()   slot[(sequence + 1) & 1] = ends after; so in the entries of clients' own channels
//              that it took a request of, or has a reply for; its pages bear its sequence;
//              committed = sequence + 1           ← before it nothing happened, after it all did;
//              the ends are copied into the rings, where others look
//
// recovery.hpp undoes or completes what a death interrupted, at whichever instruction.
//
// Owner: the worker; the keeper while no worker can write. Thread: that process's only one.
#pragma once

#include <algorithm>
#include <boost/container/static_vector.hpp>
#include <optional>

#include "common/segment/client_channel.hpp"
#include "common/segment/dead_letters.hpp"
#include "common/segment/journal.hpp"
#include "common/segment/judgement.hpp"
#include "common/segment/message.hpp"
#include "common/segment/ring.hpp"
#include "common/segment/segment.hpp"

namespace peeper::segment {

class Transaction {
 public:
  // Takes up where the segment's last commit stands. Recovery has run, so its slot is sound.
  explicit Transaction(const Segment& segment)
      : control_(segment.control()),
        replies_(segment.replies()),
        outbox_(segment.outbox()),
        journal_(segment),
        sequence_(control_.committed.load(std::memory_order_acquire)),
        mailbox_head_(control_.slot[sequence_ & 1].mailbox_head),
        reply_tail_(control_.slot[sequence_ & 1].reply_tail),
        new_reply_tail_(reply_tail_),
        outbox_tail_(control_.slot[sequence_ & 1].outbox_tail),
        new_outbox_tail_(outbox_tail_),
        dropped_(control_.slot[sequence_ & 1].dropped),
        new_dropped_(dropped_),
        begins_anew_(control_.slot[sequence_ & 1].begin_anew != 0),
        will_begin_anew_(begins_anew_),
        system_done_(control_.slot[sequence_ & 1].system_done),
        new_system_done_(system_done_),
        letters_(letter_ring(segment)),
        letter_tail_(control_.slot[sequence_ & 1].letter_tail),
        new_letter_tail_(letter_tail_),
        letter_count_(control_.slot[sequence_ & 1].letter_count),
        new_letter_count_(letter_count_) {}

  // Of the last commit.
  [[nodiscard]] std::uint64_t sequence() const { return sequence_; }
  [[nodiscard]] std::uint64_t mailbox_head() const { return mailbox_head_; }
  [[nodiscard]] std::uint64_t reply_tail() const { return reply_tail_; }
  [[nodiscard]] std::uint64_t outbox_tail() const { return outbox_tail_; }
  [[nodiscard]] const Dropped& dropped() const { return dropped_; }

  // System messages before this position are over, whether or not their turn has come.
  [[nodiscard]] std::uint64_t system_done() const { return system_done_; }

  // The State that is there isn't to be used any more.
  [[nodiscard]] bool begins_anew() const { return begins_anew_; }

  [[nodiscard]] Journal& journal() { return journal_; }

  // `position`: as in InFlight. What was in flight when a worker died, and is run again, keeps
  // counting its attempts. `client`: of kClient, the channel's serial.
  void begin(Channel channel, std::uint64_t position, std::uint64_t now_ns,
             std::uint32_t client = 0) {
    InFlight& f = control_.in_flight;
    const std::uint64_t running = sequence_ + 1;
    f.sequence.store(0, std::memory_order_relaxed);  // what it says now isn't so
    compiler_fence();
    forget();
    journal_.begin(running);
    f.started_at = now_ns;
    f.attempt = is_judged(channel) ? count_try(channel, position, client) : 1;
    f.position = position;
    f.client = client;
    f.channel = channel;
    f.verdict.store(0, std::memory_order_relaxed);
    compiler_fence();
    f.sequence.store(running, std::memory_order_relaxed);
    compiler_fence();
  }

  // A transaction that takes what is in flight out of the way instead of running it. It stays
  // written down as in flight until the commit, for whoever must do this again.
  void begin_drop() {
    forget();
    journal_.begin(sequence_ + 1);
  }

  // Room for one reply's record in the running transaction, not visible to anybody before the
  // commit; nullptr while the ring has no room (the daemon drains it).
  // `value_bytes` is at most largest_value().
  [[nodiscard]] std::byte* add_reply(std::uint64_t request, std::uint32_t epoch,
                                     std::uint32_t value_bytes) {
    const std::uint64_t record = align8(sizeof(ReplyHead) + value_bytes);
    const auto place = place_record(control_.replies.head.load(std::memory_order_acquire),
                                    new_reply_tail_, replies_.bytes(), record);
    if (!place) return nullptr;
    replies_.write_pad(new_reply_tail_, place->pad);
    const ReplyHead head{static_cast<std::uint32_t>(record), ReplyType::kReply, request, epoch,
                         value_bytes};
    std::memcpy(replies_.at(place->start), &head, sizeof head);
    new_reply_tail_ = place->end;
    return replies_.at(place->start) + sizeof head;
  }
  [[nodiscard]] std::uint64_t largest_value() const {
    return largest_record(replies_.bytes()) - sizeof(ReplyHead) - 8;
  }

  // One outgoing message, as add_reply. False while the outbox has no room. Its bytes are at most
  // largest_outgoing().
  template <class Strings>
  [[nodiscard]] bool add_outgoing(OutgoingType type, std::uint64_t reference, std::uint64_t target,
                                  const Strings& strings) {
    const std::uint64_t record = record_bytes<OutgoingHead>(strings);
    const auto place = place_record(control_.outbox.head.load(std::memory_order_acquire),
                                    new_outbox_tail_, outbox_.bytes(), record);
    if (!place) return false;
    outbox_.write_pad(new_outbox_tail_, place->pad);
    const OutgoingHead head{static_cast<std::uint32_t>(record), type, reference, target,
                            static_cast<std::uint32_t>(strings.size()), 0};
    std::memcpy(outbox_.at(place->start), &head, sizeof head);
    write_strings(outbox_.at(place->start) + sizeof head, strings);
    new_outbox_tail_ = place->end;
    return true;
  }
  [[nodiscard]] std::uint64_t largest_outgoing() const { return largest_record(outbox_.bytes()); }
  // The running transaction is over with the channel's first request, up to `head`.
  void take_request(ClientChannel& client, std::uint64_t head) {
    client.take(head);
    note(client);
  }
  // A reply to a request of that channel, now or earlier. False: it has no room for it.
  [[nodiscard]] bool add_client_reply(ClientChannel& client, std::uint64_t request,
                                      std::string_view value) {
    note(client);
    return client.add_reply(request, value);
  }
  // Has the running transaction added a reply or an outgoing message for the daemon?
  [[nodiscard]] bool has_records() const {
    return new_reply_tail_ != reply_tail_ || new_outbox_tail_ != outbox_tail_;
  }

  // The running transaction drops this message, and leaves it to a worker to note that in the heap;
  // or, with {}, it has been noted.
  void set_dropped(const Dropped& dropped) { new_dropped_ = dropped; }
  // The running transaction gives the State up; or, with false, has made another.
  void set_begin_anew(bool anew) { will_begin_anew_ = anew; }
  // The running transaction is over with a system message out of its turn, up to `end`, and those
  // before it were, too.
  void set_system_done(std::uint64_t end) { new_system_done_ = end; }

  // What the running transaction drops goes to the dead letters with it. `body`: of its record.
  void add_letter(const Dying& dying, const MessageHead& message,
                  std::span<const std::byte> body) {
    const std::uint64_t tail = next_letter_at(letters_, new_letter_tail_);
    LetterHead head{};
    head.number = new_letter_count_ + 1;
    head.at_ns = dying.at_ns;
    head.sequence = sequence_ + 1;
    head.incarnation = dying.incarnation;
    head.channel = dying.channel;
    dying.sender.copy(head.sender, sizeof head.sender);
    const std::uint64_t end = write_letter(letters_, tail, head, dying.cause, message, body);
    if (end == tail) return;
    new_letter_tail_ = end;
    new_letter_count_ = head.number;
  }

  // `mailbox_head`: after this message; mailbox_head() if the transaction took none.
  void commit(std::uint64_t mailbox_head) {
    const std::uint64_t running = sequence_ + 1;
    Slot& slot = control_.slot[running & 1];
    slot.sequence = running;
    slot.mailbox_head = mailbox_head;
    slot.reply_tail = new_reply_tail_;
    slot.outbox_tail = new_outbox_tail_;
    slot.dropped = new_dropped_;
    slot.begin_anew = will_begin_anew_ ? 1 : 0;
    slot.system_done = new_system_done_;
    slot.letter_tail = new_letter_tail_;
    slot.letter_count = new_letter_count_;
    for (ClientChannel* client : clients_) client->prepare(running);
    journal_.sign(running);
    compiler_fence();
    control_.committed.store(running, std::memory_order_release);  // COMMIT
    compiler_fence();
    sequence_ = running;
    mailbox_head_ = mailbox_head;
    reply_tail_ = new_reply_tail_;
    outbox_tail_ = new_outbox_tail_;
    dropped_ = new_dropped_;
    begins_anew_ = will_begin_anew_;
    system_done_ = new_system_done_;
    letter_tail_ = new_letter_tail_;
    letter_count_ = new_letter_count_;
    publish(control_);
    for (ClientChannel* client : clients_) client->complete();
    clients_.clear();
  }

  // Copies the committed ends to where the others look. Any number of times.
  static void publish(Control& control) {
    const Slot& slot =
        control.slot[control.committed.load(std::memory_order_relaxed) & 1];
    control.mailbox.head.store(slot.mailbox_head, std::memory_order_release);
    control.replies.tail.store(slot.reply_tail, std::memory_order_release);
    control.outbox.tail.store(slot.outbox_tail, std::memory_order_release);
    control.letters.tail.store(slot.letter_tail, std::memory_order_release);
  }

 private:
  // The number of this try. In an order that never adds to it what was tried before this position.
  std::uint32_t count_try(Channel channel, std::uint64_t position, std::uint32_t client) {
    Tries& tries = control_.tries[static_cast<std::uint32_t>(channel)];
    if (tries.position != position || tries.client != client) {
      tries.count = 0;
      compiler_fence();
      tries.position = position;
      tries.client = client;
      compiler_fence();
    }
    return ++tries.count;
  }

  // What an earlier try of this transaction left: it was never published.
  void forget() {
    new_reply_tail_ = reply_tail_;
    new_outbox_tail_ = outbox_tail_;
    new_dropped_ = dropped_;
    will_begin_anew_ = begins_anew_;
    new_system_done_ = system_done_;
    new_letter_tail_ = letter_tail_;
    new_letter_count_ = letter_count_;
    for (ClientChannel* client : clients_) client->forget();
    clients_.clear();
  }

  void note(ClientChannel& client) {
    if (std::ranges::find(clients_, &client) == clients_.end()) clients_.push_back(&client);
  }

  Control& control_;
  Ring replies_;
  Ring outbox_;
  Journal journal_;
  std::uint64_t sequence_;
  std::uint64_t mailbox_head_;
  std::uint64_t reply_tail_;
  std::uint64_t new_reply_tail_;
  std::uint64_t outbox_tail_;
  std::uint64_t new_outbox_tail_;
  Dropped dropped_;
  Dropped new_dropped_;
  bool begins_anew_;
  bool will_begin_anew_;
  std::uint64_t system_done_;
  std::uint64_t new_system_done_;
  LetterRing letters_;
  std::uint64_t letter_tail_;
  std::uint64_t new_letter_tail_;
  std::uint64_t letter_count_;
  std::uint64_t new_letter_count_;
  boost::container::static_vector<ClientChannel*, kMostClients> clients_;
};

}  // namespace peeper::segment
