#include "keeper/keeper.hpp"

#include <spdlog/spdlog.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <thread>

#include "common/limits.hpp"
#include "common/orphan.hpp"
#include "common/pass_fd.hpp"
#include "common/segment/recovery.hpp"

namespace peeper::keeper {
namespace {

using namespace std::chrono_literals;
using segment::Role;

// A worker that is being torn down by the kernel, and a daemon that drains its replies, need no
// longer than this.
constexpr auto kPatience = 5s;
constexpr auto kPause = 200us;

// At an orderly end, for what the listeners are at: the daemon waits longer than that.
constexpr std::chrono::milliseconds kListenersGrace{5'000};

// Of the daemon's death, by its signal handler.
volatile std::sig_atomic_t is_orphan = 0;
void on_daemon_gone() { is_orphan = 1; }

// Calls `done` until it says so, at most for kPatience, and no longer than the daemon lives.
template <class Done>
bool wait_until(Done done) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!done()) {
    if (is_orphan != 0 || std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(kPause);
  }
  return true;
}

template <std::size_t N>
std::uint32_t copy_text(char (&field)[N], const std::string& text) {
  return static_cast<std::uint32_t>(text.copy(field, N));
}

// The worker has its own time, and this process the same again.
constexpr auto kOwnGrace = 2 * limits::kOrphanGrace;

// The next request, and the descriptor that came with it. None: the daemon is gone.
std::optional<launch::ToKeeper> receive(int control, UniqueFd& passed) {
  while (true) {
    launch::ToKeeper request{};
    const ssize_t got = receive_with_fd(control, &request, sizeof request, passed);
    if (got < 0 && (errno == EBADF || errno == ENOTSOCK)) {
      // The daemon is there, and the worker is to go on.
      spdlog::error("a listener has closed the keeper's connection to peeperd; this keeper ends, "
                    "and another one follows");
      std::abort();
    }
    if (got <= 0) return std::nullopt;
    if (got == sizeof request) return request;
  }
}

// A daemon that is gone takes us with it: nothing to do about a packet it did not get.
void send(int control, const launch::ToDaemon& packet) {
  [[maybe_unused]] const ssize_t sent =
      ::send(control, &packet, sizeof packet, MSG_NOSIGNAL | MSG_EOR);
}

// Of the process that sent a message, if it is still there.
std::string name_of(std::uint32_t pid) {
  std::string name;
  std::ifstream comm{"/proc/" + std::to_string(pid) + "/comm"};
  std::getline(comm, name);
  return name;
}

}  // namespace

void report_failure(int control, const Failure& failure) {
  launch::ToDaemon packet{};
  packet.event = launch::Event::kFailed;
  packet.text_bytes = copy_text(packet.text, failure.what);
  send(control, packet);
}

void report_failed_listener(int control, std::size_t number, const std::string& why) {
  launch::ToDaemon packet{};
  packet.event = launch::Event::kListenerFailed;
  packet.sequence = number;
  packet.text_bytes = copy_text(packet.text, why);
  send(control, packet);
}

Keeper::Keeper(UniqueFd control, segment::Segment segment, std::uint64_t state_bytes,
               ListenerThread* listeners)
    : control_(std::move(control)),
      segment_(std::move(segment)),
      state_bytes_(state_bytes),
      daemon_(::getppid()),
      listeners_(listeners) {}

int Keeper::run() {
  launch::ToDaemon attached{};
  attached.event = launch::Event::kAttached;
  send(control_.get(), attached);
  outlive_daemon(daemon_, kOwnGrace, on_daemon_gone);
  if (listeners_ != nullptr) {
    if (!protect(segment::Segment::Writing::kForbidden)) return EXIT_FAILURE;
    listeners_->start();
  }
  UniqueFd passed;
  while (true) {
    await_request();
    const auto request = receive(control_.get(), passed);
    if (!request) break;
    switch (request->request) {
      case launch::Request::kStop:
        if (listeners_ != nullptr) listeners_->finish(kListenersGrace);
        return EXIT_SUCCESS;
      case launch::Request::kWorker: worker_ = std::move(passed); break;
      case launch::Request::kOpenClient:
        clients_.drop_closed(segment_.control());
        // Without it a request that kills its worker could not be dropped. Another keeper may have
        // better luck.
        if (!clients_.add(segment_.control(), request->client, std::move(passed))) {
          spdlog::error("keeper of server {}: a client's channel can't be mapped",
                        segment_.id().server);
          return EXIT_FAILURE;
        }
        break;
      case launch::Request::kRecover: {
        worker_.reset();
        const auto recovered =
            listeners_ == nullptr ? recover(*request) : recover_beside_listeners(*request);
        if (!recovered) {
          report_failure(control_.get(), recovered.error());
          return EXIT_FAILURE;
        }
        send(control_.get(), *recovered);
      }
    }
  }
  end_worker();
  return EXIT_SUCCESS;
}

void Keeper::await_request() {
  if (listeners_ == nullptr) return;
  pollfd wanted[] = {{control_.get(), POLLIN, 0}, {listeners_->alarm(), POLLIN, 0}};
  while (wanted[0].revents == 0) {
    ::poll(wanted, 2, -1);
    if (wanted[1].revents != 0) listeners_->look();
  }
}

bool Keeper::protect(segment::Segment::Writing writing) const {
  const auto done = segment_.set_writing(writing);
  if (!done) spdlog::error("{}", done.error().what);
  return done.has_value();
}

Result<launch::ToDaemon> Keeper::recover_beside_listeners(const launch::ToKeeper& request) {
  using Writing = segment::Segment::Writing;
  if (const auto allowed = segment_.set_writing(Writing::kAllowed); !allowed)
    return allowed.error();
  auto recovered = recover(request);
  if (const auto forbidden = segment_.set_writing(Writing::kForbidden); recovered && !forbidden)
    return forbidden.error();
  return recovered;
}

// It ends by itself, unless its code keeps the signal from it.
void Keeper::end_worker() {
  if (!worker_) return;
  pollfd end{worker_.get(), POLLIN, 0};
  const auto deadline = std::chrono::steady_clock::now() + limits::kOrphanGrace;
  while (end.revents == 0 && std::chrono::steady_clock::now() < deadline)
    ::poll(&end, 1, static_cast<int>(limits::kOrphanGrace.count()));
  if (end.revents == 0) ::syscall(SYS_pidfd_send_signal, worker_.get(), SIGKILL, nullptr, 0);
}

Result<launch::ToDaemon> Keeper::recover(const launch::ToKeeper& request) {
  // Not only free but ours until the end: a worker that a dead daemon has left may come to its
  // start before it is killed.
  if (!wait_until([&] { return segment_.claim(Role::kWorker).has_value(); }))
    return Failure{"segment " + segment_.id().path() +
                       " still has a worker, started by another peeperd? Find it with: fuser " +
                       segment_.id().path(),
                   EBUSY};
  const segment::Death death{.observed = static_cast<segment::Observed>(request.observed),
                             .wait_status = request.wait_status,
                             .incarnation = request.incarnation,
                             .retries = request.retries,
                             .allowed_ms = request.allowed_ms,
                             .is_crash = request.is_crash != 0,
                             .name_of = name_of,
                             .at_ns = request.at_ns};
  const auto rolled_back = segment::roll_back(segment_, clients_);
  if (!rolled_back) return rolled_back.error();
  if (const auto raised = segment_.raise_limit(state_bytes_); !raised) return raised.error();

  Result<segment::Settled> settled = Failure{};
  const bool in_time = wait_until([&] {
    settled = segment::settle(segment_, death, clients_);
    return settled.has_value() || settled.error().system_error != EAGAIN;
  });
  if (!in_time || !settled) return settled.error();
  if (request.begin_anew != 0) segment::begin_anew(segment_);
  segment_.control().worker.may_start.store(static_cast<std::uint32_t>(daemon_),
                                            std::memory_order_release);
  segment_.release(Role::kWorker);

  launch::ToDaemon packet{};
  packet.event = launch::Event::kRecovered;
  packet.verdict = static_cast<std::uint32_t>(settled->verdict);
  packet.sequence = rolled_back->sequence;
  packet.pages_restored = rolled_back->pages_restored;
  packet.crash = settled->crash;
  packet.refused =
      segment::is_refusal(death, segment::read_crash(segment_.crash(), death.incarnation)) ? 1 : 0;
  packet.text_bytes = copy_text(packet.text, settled->cause);
  copy_text(packet.message, settled->message);
  return packet;
}

}  // namespace peeper::keeper
