#include "daemon/delivery/channels.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "common/launch.hpp"
#include "common/pass_fd.hpp"
#include "common/segment/client_channel.hpp"
#include "common/segment/futex.hpp"

namespace peeper::daemon {

using segment::ClientEntry;
using segment::ClientState;

void Channels::attach(segment::Control& control) {
  close_all();
  control_ = &control;
  for (ClientEntry& entry : control.clients) {
    entry.serial.store(0, std::memory_order_relaxed);
    entry.attached.store(0, std::memory_order_relaxed);
  }
}

// What can't be passed to a new one, for its socket takes no more, is not served by it. The socket
// is empty and has room for all there may be.
void Channels::set_keeper(int socket) {
  keeper_ = socket;
  for (const Channel& channel : channels_) (void)pass_to_keeper(channel);
}

void Channels::set_worker(int socket) {
  worker_ = socket;
  for (const Channel& channel : channels_) (void)pass_to_worker(channel);
  tell_worker();
}

bool Channels::pass_to_keeper(const Channel& channel) const {
  if (keeper_ < 0) return true;
  launch::ToKeeper request{};
  request.request = launch::Request::kOpenClient;
  request.client = channel.told;
  return send_with_fd(keeper_, &request, sizeof request, channel.file.get(), MSG_DONTWAIT) ==
         sizeof request;
}

bool Channels::pass_to_worker(const Channel& channel) const {
  if (worker_ < 0) return true;
  const launch::ToWorker packet{launch::Order::kOpenClient, 0, channel.told};
  return send_with_fd(worker_, &packet, sizeof packet, channel.file.get(), MSG_DONTWAIT) ==
         sizeof packet;
}

void Channels::tell_worker() {
  if (control_ == nullptr) return;
  segment::MailboxEnds& ends = control_->mailbox;
  ends.clients_changed.fetch_add(1, std::memory_order_release);
  ends.bell.fetch_add(1, std::memory_order_release);
  segment::futex_wake(ends.bell);
}

Result<Channels::Opened> Channels::open(std::uint64_t ring_bytes, std::uint32_t pid) {
  if (!segment::has_futex_wait_any())
    return Failure{"ERR channels need Linux 5.16 or later (futex_waitv)", ENOSYS};
  // One that was closed is free once the worker has let go of it.
  const auto free = std::ranges::find_if(control_->clients, [](const ClientEntry& entry) {
    return entry.serial.load(std::memory_order_acquire) == 0 &&
           entry.attached.load(std::memory_order_acquire) == 0;
  });
  if (free == std::end(control_->clients))
    return Failure{"BUSY " + server_ + ": it has " + std::to_string(segment::kMostClients) +
                       " channels, and no more; ask over the socket",
                   EBUSY};
  auto file = segment::make_client_file(ring_bytes);
  if (!file) return Failure{"ERR " + server_ + ": " + file.error().what, ENOMEM};
  auto memory = segment::ClientMemory::map(file->get(), ring_bytes);
  if (!memory) return Failure{"ERR " + server_ + ": " + memory.error().what, ENOMEM};

  std::uint32_t serial = control_->last_client.load(std::memory_order_relaxed) + 1;
  if (serial == 0) ++serial;
  control_->last_client.store(serial, std::memory_order_relaxed);
  segment::begin_slots(*free);
  free->pid = pid;
  free->serial.store(serial, std::memory_order_release);
  memory->header().state.store(state_, std::memory_order_release);
  const auto index = static_cast<std::uint32_t>(free - std::begin(control_->clients));
  channels_.push_back({{index, serial, ring_bytes}, *std::move(file), *std::move(memory)});
  const Channel& made = channels_.back();
  // The keeper first: what a worker may have in flight, it must know.
  if (!pass_to_keeper(made) || !pass_to_worker(made)) {
    close(serial);
    return Failure{"BUSY " + server_ + ": its processes take no channel now; try again", EAGAIN};
  }
  tell_worker();
  return Opened{serial, ring_bytes, made.file.get()};
}

void Channels::close(std::uint32_t serial) {
  const auto found = std::ranges::find_if(
      channels_, [&](const Channel& channel) { return channel.told.serial == serial; });
  if (found == channels_.end()) return;
  control_->clients[found->told.index].serial.store(0, std::memory_order_release);
  found->memory.header().state.store(ClientState::kClosed, std::memory_order_release);
  segment::ring_client(found->memory.header());
  channels_.erase(found);
  tell_worker();
}

void Channels::close_all() {
  while (!channels_.empty()) close(channels_.back().told.serial);
}

void Channels::show(ClientState state) {
  if (std::exchange(state_, state) == state) return;
  for (const Channel& channel : channels_) {
    channel.memory.header().state.store(state, std::memory_order_release);
    segment::ring_client(channel.memory.header());
  }
}

}  // namespace peeper::daemon
