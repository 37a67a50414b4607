// Server as the source of what is told of its State: to subscribers of its channel, and listeners.
#include "daemon/process/worker_process.hpp"
#include "daemon/server/server.hpp"
#include "daemon/values/time_text.hpp"

namespace peeper::daemon {
namespace {

// Who asks in the name of those who wait for events.
class AskedForEvents final : public ReplySink {
 public:
  explicit AskedForEvents(std::function<void(std::string_view value)> on_value)
      : on_value_(std::move(on_value)) {}
  void deliver(std::uint64_t, std::string_view value) override { on_value_(value); }

 private:
  const std::function<void(std::string_view value)> on_value_;
};

}  // namespace

StateSource::Moment Server::state_moment() const {
  if (!rings_) return {};
  const segment::Control& control = rings_->segment().control();
  return {rings_->uid(), control.committed.load(std::memory_order_acquire),
          writes_before_ + control.counts.state_writes.load(std::memory_order_acquire),
          changes_before_ + control.counts.state_changes.load(std::memory_order_acquire),
          changes_before_};
}

// The worker publishes its count of writes, then looks whether the bell is armed: one of the two
// sees the other.
void Server::arm_state_bell() {
  if (!rings_) return;
  rings_->segment().control().mailbox.state_armed.store(1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

LaunchSpec Server::observer_spec() {
  LaunchSpec spec = behaviour_spec();
  spec.arguments.emplace_back("--observe");
  // A copy of the heap, and a mapping of it as memory of its own.
  give_memory(2 * section_.state_bytes, spec);
  return spec;
}

void Server::ask_for_state(std::function<void(std::string_view value)> on_value) {
  get_state({}, {.sink = std::make_shared<AskedForEvents>(std::move(on_value)), .slot = 0});
}

void Server::publish_state_event(const StateEvent& event) {
  exchange_.tell(name(), event_value(event, name(), time_text(std::chrono::system_clock::now())));
}

// Between two workers, when nobody counts, each begins at nothing; and before another segment.
void Server::take_over_counts() {
  segment::WorkerCounts& counts = rings_->segment().control().counts;
  writes_before_ += counts.state_writes.exchange(0, std::memory_order_relaxed);
  changes_before_ += counts.state_changes.exchange(0, std::memory_order_relaxed);
}

}  // namespace peeper::daemon
