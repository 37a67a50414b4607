#include "stage.hpp"

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>

#include "common/segment/message.hpp"
#include "common/segment/plan.hpp"
#include "instance.hpp"
#include "require.hpp"

namespace peeper::test {

using namespace segment;

std::string fresh_instance_name() {
  static std::atomic<int> count{0};
  return "s" + std::to_string(::getpid()) + "x" + std::to_string(++count);
}

Stage::Stage(Server server, std::string worker_program)
    : server_(std::move(server)),
      worker_program_(worker_program.empty() ? program("peeper-worker")
                                             : std::move(worker_program)),
      id_{fresh_instance_name(), server_.name},
      bell_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  require(static_cast<bool>(bell_), "no eventfd");
}

Stage::~Stage() {
  worker_.reset();
  keeper_.reset();
  remove_segment(id_);
}

std::string Stage::library_of(const std::string& behaviour) {
  return std::string(PEEPER_BEHAVIOUR_DIR) + "/" + behaviour + ".so";
}

// --- Keeper --------------------------------------------------------------------------------------

void Stage::start_keeper() {
  keeper_.reset();
  int pair[2];
  require(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0, "no socket pair");
  control_.reset(pair[0]);
  const UniqueFd theirs{pair[1]};
  keeper_ = std::make_unique<Traced>(
      Strings{program("peeper-keeper"), "--instance=" + id_.instance, "--server=" + id_.server,
              "--behaviour=" + server_.name, "--state-bytes=" + std::to_string(server_.state_bytes),
              "--mailbox-bytes=" + std::to_string(server_.ring_bytes)},
      theirs.get());
  keeper_->run_until([](std::uint64_t number, std::uint64_t fd) {
    return number == SYS_recvmsg && fd == launch::kControlFd;
  });
  launch::ToDaemon packet{};
  require(is_recovered(packet) && packet.event == launch::Event::kAttached,
          std::string("the keeper holds no segment: ") + packet.text);
  if (segment_ != nullptr) return;
  auto opened = Segment::open(id_, View::kWhole);
  require(opened.has_value(), opened ? "" : opened.error().what);
  segment_ = std::make_unique<Segment>(*std::move(opened));
  segment_->control().replies.epoch.fetch_add(1);
}

void Stage::ask_to_recover(const Death& death) {
  const launch::ToKeeper request{launch::Request::kRecover,
                                 static_cast<std::uint32_t>(death.observed), death.wait_status,
                                 death.incarnation, death.retries, death.allowed_ms,
                                 death.at_ns, death.is_crash ? 1U : 0U, 0, {}};
  require(::send(control_.get(), &request, sizeof request, MSG_NOSIGNAL) == sizeof request,
          "the keeper is gone");
}

bool Stage::is_recovered(launch::ToDaemon& packet) {
  return ::recv(control_.get(), &packet, sizeof packet, MSG_DONTWAIT) == sizeof packet;
}

launch::ToDaemon Stage::recover(const Death& death) {
  ask_to_recover(death);
  keeper_->run_until([](std::uint64_t number, std::uint64_t fd) {
    return number == SYS_recvmsg && fd == launch::kControlFd;
  });
  launch::ToDaemon packet{};
  require(is_recovered(packet) && packet.event == launch::Event::kRecovered,
          std::string("the keeper can't recover: ") + packet.text);
  return packet;
}

// --- Worker --------------------------------------------------------------------------------------

void Stage::launch_worker(const Code& code) {
  worker_.reset();
  const WorkerStatus& status = segment_->control().worker;
  incarnation_ = status.incarnation.load() + 1;
  MailboxEnds& ends = segment_->control().mailbox;
  ends.sleeping.store(0);  // the last worker's, and not yet this one's
  if (is_suspension(ends.suspension.load())) ends.suspension.fetch_add(1);
  Strings command{worker_program_, "--instance=" + id_.instance, "--server=" + id_.server,
                  "--library=" + library_of(code.behaviour.empty() ? server_.name : code.behaviour),
                  "--incarnation=" + std::to_string(incarnation_)};
  if (code.is_upgrade) command.emplace_back("--upgrade");
  for (const std::string& argument : server_.arguments)
    command.push_back("--argument=" + argument);
  worker_ = std::make_unique<Traced>(command, bell_.get());
}

void Stage::start_worker(const Code& code) {
  launch_worker(code);
  finish();
  const WorkerStatus& status = segment_->control().worker;
  require(status.phase.load() == Phase::kReady && status.incarnation.load() == incarnation_,
          "the worker sleeps without being ready");
}

void Stage::suspend() {
  MailboxEnds& ends = segment_->control().mailbox;
  ends.suspension.store(ends.suspension.load() + 1);
  ends.bell.fetch_add(1);
  worker_->run_until([&](std::uint64_t number, std::uint64_t) {
    return number == SYS_futex && is_idle() && ends.suspended.load() == ends.suspension.load();
  });
}

void Stage::push(const Strings& message, MessageType type) {
  Control& control = segment_->control();
  const std::vector<std::string_view> strings(message.begin(), message.end());
  const std::uint64_t tail = control.mailbox.tail.load();
  const std::uint64_t bytes = record_bytes<MessageHead>(strings);
  const auto place =
      place_record(control.mailbox.head.load(), tail, segment_->mailbox().bytes(), bytes);
  require(place.has_value(), "the mailbox has no room");
  segment_->mailbox().write_pad(tail, place->pad);
  MessageHead head{};
  head.bytes = static_cast<std::uint32_t>(bytes);
  head.type = type;
  head.request = type == MessageType::kCast ? 0 : kRequest;
  head.epoch = control.replies.epoch.load();
  head.strings = static_cast<std::uint32_t>(strings.size());
  std::memcpy(segment_->mailbox().at(place->start), &head, sizeof head);
  write_strings(segment_->mailbox().at(place->start) + sizeof head, strings);
  control.mailbox.tail.store(place->end);
  control.mailbox.bell.fetch_add(1);  // the wait that is about to begin returns at once
}

void Stage::finish() {
  worker_->run_until([&](std::uint64_t number, std::uint64_t) {
    return number == SYS_futex && is_idle();
  });
}

bool Stage::is_idle() const {
  const Control& control = segment_->control();
  const MailboxEnds& ends = control.mailbox;
  const std::uint64_t tail = ends.tail.load();
  const bool is_done = ends.head.load() == tail ||
                       (is_suspension(ends.suspension.load()) &&
                        control.slot[control.committed.load() & 1].system_done == tail);
  return ends.sleeping.load() == 1 && is_done;
}

std::string Stage::call(const Strings& message) {
  push(message);
  finish();
  const Strings replies = take_replies();
  require(replies.size() == 1, std::to_string(replies.size()) + " replies to " + message[0]);
  return replies[0];
}

Strings Stage::take_replies() {
  ReplyEnds& ends = segment_->control().replies;
  const std::uint64_t tail = ends.tail.load();
  Strings values;
  for (std::uint64_t position = ends.head.load(); position != tail;) {
    const auto found = segment_->replies().find<ReplyHead>(position, tail);
    require(found.status == found.kRecord && found.head.value_bytes <= found.body.size(),
            "a broken record in the replies");
    values.emplace_back(reinterpret_cast<const char*>(found.body.data()), found.head.value_bytes);
    position = found.position + found.head.bytes;
  }
  ends.head.store(tail);
  return values;
}

Death Stage::kill_worker() { return {Observed::kSeen, worker_->kill(), incarnation_}; }

// --- Images --------------------------------------------------------------------------------------

// Header, control, crash record, rings and heap; journal. Only what is reserved: even looking at
// the rest would give it memory.
std::vector<std::span<std::byte>> Stage::parts(std::uint64_t reserved) const {
  auto* begin = reinterpret_cast<std::byte*>(&segment_->header());
  const Plan& plan = segment_->plan();
  return {{begin, plan.heap.offset + reserved},
          {begin + plan.journal_index.offset, reserved / kPageBytes * sizeof(std::uint32_t)},
          {begin + plan.page_writers.offset, reserved / kPageBytes * sizeof(std::uint64_t)},
          {begin + plan.block_writers.offset, blocks_of(reserved) * sizeof(std::uint64_t)},
          {begin + plan.journal_pages.offset, reserved}};
}

Stage::Image Stage::image() const {
  Image image{segment_->control().worker.heap_reserved.load(), {}};
  for (const auto part : parts(image.reserved))
    image.bytes.insert(image.bytes.end(), part.begin(), part.end());
  return image;
}

void Stage::restore(const Image& image) {
  worker_.reset();
  for (const auto part : parts(segment_->control().worker.heap_reserved.load()))
    std::memset(part.data(), 0, part.size());
  const std::byte* from = image.bytes.data();
  for (const auto part : parts(image.reserved)) {
    std::memcpy(part.data(), from, part.size());
    from += part.size();
  }
}

}  // namespace peeper::test
