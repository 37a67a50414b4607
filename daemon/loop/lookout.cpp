#include "daemon/loop/lookout.hpp"

namespace peeper::daemon {
namespace {

// Then it is the others' turn: sockets, timers, bells.
constexpr std::uint64_t kSliceNs = 10'000;
// Replies that come one after another are waited for so long, to leave in one write.
constexpr std::uint64_t kGatherNs = 1'000;

}  // namespace

void Lookout::begin_wait(Awaited& server) {
  server.wait_begins_ = false;
  const std::uint64_t now = clock_.ns();
  if (server.looks_until_ != 0) {
    server.looks_until_ = now + server.poll_.limits().ns;
    return;
  }
  if (server.bell_on_at_ != 0) server.poll_.slept(now - server.bell_on_at_);
  server.bell_on_at_ = 0;
  if (const std::uint64_t limit = server.poll_.begin(); limit != 0) {
    server.looks_until_ = now + limit;
    server.bell_off();
  } else {
    server.bell_on_at_ = now;
  }
}

void Lookout::end_look(Awaited& server) {
  server.looks_until_ = 0;
  server.bell_on_at_ = clock_.ns();
  server.bell_on();
}

void Lookout::expect(Awaited& server) {
  if (server.is_linked()) return;
  awaited_.push_back(server);
  server.bell_on_at_ = 0;
  begin_wait(server);
}

void Lookout::was_crowded() {
  for (auto next = awaited_.begin(); next != awaited_.end();) {
    Awaited& server = *next++;
    server.poll_.was_crowded();
    if (server.looks_until_ != 0 && server.poll_.limits().adapts) end_look(server);
  }
}

bool Lookout::look() {
  bool looks = false;
  for (Awaited& server : awaited_) {
    if (server.wait_begins_) begin_wait(server);
    looks = looks || server.looks_until_ != 0;
  }
  const bool found = looks && finds_some();
  const std::uint64_t now = clock_.ns();
  looks = false;
  for (auto next = awaited_.begin(); next != awaited_.end();) {
    Awaited& server = *next++;
    const bool is_done = !server.awaits_replies();
    const bool in_vain = !found && server.looks_until_ <= now;
    if (server.looks_until_ != 0 && (is_done || in_vain)) {
      if (!is_done) server.poll_.looked_in_vain();
      end_look(server);
    }
    looks = looks || server.looks_until_ != 0;
    if (is_done) server.unlink();
  }
  return found || looks;
}

// Within a slice. Replies are found at the time of the look before the one that finds them.
bool Lookout::finds_some() {
  for (const std::uint64_t begin = clock_.ns(); !gather(); pause_looking())
    if (clock_.read() - begin > kSliceNs) return false;
  for (std::uint64_t last = clock_.read(); clock_.read() - last < kGatherNs; pause_looking())
    if (gather()) last = clock_.read();
  return true;
}

bool Lookout::gather() {
  bool found = false;
  for (Awaited& server : awaited_) {
    if (server.looks_until_ == 0 || !server.has_replies()) continue;
    server.take_replies();
    server.poll_.found();
    found = true;
  }
  return found;
}

}  // namespace peeper::daemon
