#include "twin.hpp"

#include <algorithm>
#include <cstring>

#include "common/segment/recovery.hpp"
#include "common/segment/transaction.hpp"
#include "require.hpp"

namespace peeper::test {

using namespace segment;

namespace {

std::byte* start_of(const Segment& segment) {
  return reinterpret_cast<std::byte*>(&segment.header());
}

std::uint64_t reserved_of(const Segment& segment) {
  return std::min<std::uint64_t>(segment.control().worker.heap_reserved.load(),
                                 segment.heap().size());
}

Segment make_twin(const SegmentId& id, const Stage& stage) {
  const Server& server = stage.server();
  auto made = Segment::open_or_create(id, {server.name, server.state_bytes, server.ring_bytes},
                                      std::chrono::milliseconds{0});
  require(made.has_value(), made ? "" : made.error().what);
  require(std::memcmp(&made->plan(), &stage.segment().plan(), sizeof(Plan)) == 0,
          "the twin is laid out differently");
  return *std::move(made);
}

// Of the only reply there may be.
std::string reply_of(const Segment& segment) {
  const ReplyEnds& ends = segment.control().replies;
  const std::uint64_t tail = ends.tail.load();
  const auto found = segment.replies().find<ReplyHead>(ends.head.load(), tail);
  if (found.status == found.kEmpty) return {};
  if (found.status != found.kRecord || found.head.value_bytes > found.body.size())
    return "(a broken record)";
  if (found.position + found.head.bytes != tail) return "(more than one reply)";
  if (found.head.request != kRequest) return "(a reply to nobody)";
  return {reinterpret_cast<const char*>(found.body.data()), found.head.value_bytes};
}

}  // namespace

std::vector<std::byte> heap_of(const Segment& segment) {
  std::vector<std::byte> heap(segment.heap().size());
  std::memcpy(heap.data(), segment.heap().data(), reserved_of(segment));
  return heap;
}

std::vector<std::byte> fixed_parts_of(const Segment& segment) {
  const auto* header = start_of(segment);
  std::vector<std::byte> bytes{header, header + kPageBytes};
  const std::byte* ring = segment.mailbox().at(0);
  bytes.insert(bytes.end(), ring, ring + segment.mailbox().bytes());
  return bytes;
}

Finding look_at(const Segment& segment, const Sides& sides) {
  const Control& control = segment.control();
  const std::string reply = reply_of(segment);
  const std::uint64_t sequence = control.committed.load();
  const std::uint64_t reserved = reserved_of(segment);
  const auto heap_is = [&](const std::vector<std::byte>& expected) {
    return std::memcmp(segment.heap().data(), expected.data(), reserved) == 0;
  };
  const auto heap_fault = [&](const std::vector<std::byte>& expected) -> std::string {
    std::uint64_t at = 0;
    while (at < reserved && segment.heap()[at] == expected[at]) ++at;
    return "the heap differs at byte " + std::to_string(at);
  };
  const bool moved_on = sequence != sides.sequence;
  const bool told_crash = moved_on && reply == sides.error;
  Finding finding{!moved_on    ? Outcome::kNotBegun
                  : told_crash ? Outcome::kDropped
                               : Outcome::kCommitted,
                  {}};
  const bool committed = finding.outcome == Outcome::kCommitted;
  const auto& heap = committed ? sides.after : sides.before;
  const std::uint64_t head = moved_on ? sides.mailbox_head_after : sides.mailbox_head;
  const bool out_of_turn = sides.mailbox_head_after != sides.mailbox_tail;
  const Slot& slot = control.slot[sequence & 1];
  if (!heap_is(heap))
    finding.fault = heap_fault(heap);
  else if (moved_on && sequence != sides.sequence + 1)
    finding.fault = "the sequence is " + std::to_string(sequence);
  else if (reply != (committed ? sides.reply : moved_on ? sides.error : ""))
    finding.fault = "the reply is '" + reply + "'";
  else if (control.mailbox.head.load() != head || control.mailbox.tail.load() != sides.mailbox_tail)
    finding.fault = "the mailbox's ends are wrong";
  else if (slot.sequence != sequence || slot.mailbox_head != head ||
           slot.reply_tail != control.replies.tail.load())
    finding.fault = "the ends differ from those of the commit";
  else if (slot.system_done != (moved_on && out_of_turn ? sides.mailbox_tail : 0))
    finding.fault = "system messages are done up to " + std::to_string(slot.system_done);
  else if (fixed_parts_of(segment) != sides.fixed)
    finding.fault = "the header or the mailbox was written";
  return finding;
}

Twin::Twin(const Stage& stage)
    : original_(stage.segment()),
      id_{fresh_instance_name(), stage.server().name},
      segment_(make_twin(id_, stage)) {}

Twin::~Twin() { remove_segment(id_); }

// Of the journal only what its head says is there: no recovery reads more of it.
std::vector<Twin::Part> Twin::parts() const {
  const Plan& plan = original_.plan();
  const std::uint64_t pages = std::min<std::uint64_t>(original_.control().journal.count.load(),
                                                      plan.heap.bytes / kPageBytes);
  return {{0, plan.heap.offset + reserved_of(original_)},
          {plan.journal_index.offset, pages * sizeof(std::uint32_t)},
          {plan.journal_pages.offset, pages * kPageBytes}};
}

bool Twin::take_over() {
  bool changed = taken_.empty();
  taken_.resize(original_.plan().total_bytes);
  const std::byte* from = start_of(original_);
  for (const Part& part : parts()) {
    for (std::uint64_t at = part.offset; at < part.offset + part.bytes; at += kPageBytes) {
      const std::size_t bytes = std::min(kPageBytes, part.offset + part.bytes - at);
      if (std::memcmp(from + at, taken_.data() + at, bytes) == 0) continue;
      std::memcpy(taken_.data() + at, from + at, bytes);
      changed = true;
    }
  }
  return changed;
}

Finding Twin::recover(const Death& death, const Sides& sides) {
  std::byte* to = start_of(segment_);
  for (const Part& part : parts())
    std::memcpy(to + part.offset, taken_.data() + part.offset, part.bytes);
  const auto rolled_back = roll_back(segment_);
  if (!rolled_back) return {Outcome::kNotBegun, rolled_back.error().what};
  const auto settled = settle(segment_, death);
  if (!settled) return {Outcome::kNotBegun, settled.error().what};
  // How often the journal was forgotten: who begins a recovery again counts once more.
  segment_.control().journal.generation.store(0);
  return look_at(segment_, sides);
}

std::span<const std::byte> Twin::recovered() const {
  return {start_of(segment_), segment_.plan().heap.offset + reserved_of(segment_)};
}

}  // namespace peeper::test
