#include "worker/runtime/observer.hpp"

#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <string>
#include <thread>

#include "common/launch.hpp"
#include "common/segment/picture.hpp"
#include "common/segment/shadow.hpp"
#include "common/write_all.hpp"
#include "worker/runtime/state_view.hpp"

namespace peeper::worker {
namespace {

using launch::Seen;

// For a gap between two messages; after that the daemon has other means.
constexpr std::chrono::milliseconds kPatience{50};
constexpr std::chrono::milliseconds kPause{1};

class Observer {
 public:
  Observer(const segment::Segment& segment, const abi::Behaviour& behaviour)
      : segment_(segment), shadow_(segment), picture_(segment), view_(segment, behaviour) {}

  // `value` is what there is to be seen; false: it was not to be had.
  bool look(launch::FromObserver& head, std::string& value) {
    const auto until = std::chrono::steady_clock::now() + kPatience;
    head = {};
    do {
      const std::uint64_t before = count_changes();
      sequence_ = committed();
      is_foreign_ = false;
      const Result<void> taken = is_small() ? take_copy(value, until) : take_in_place(value);
      if (!taken && taken.error().system_error == EAGAIN) {
        std::this_thread::sleep_for(kPause);
        continue;
      }
      if (is_foreign_ || (!taken && taken.error().system_error == ENODATA)) {
        head.seen = Seen::kNothing;
        return false;
      }
      if (!taken) value = error_value(taken.error().what);
      head.seen = value == last_ ? Seen::kSame : Seen::kState;
      head.sequence = sequence_;
      head.changes = count_seen(before);
      return true;
    } while (std::chrono::steady_clock::now() < until);
    head.seen = Seen::kMoved;
    return false;
  }
  void keep(std::string& value) { last_.swap(value); }

 private:
  [[nodiscard]] bool is_small() const {
    return segment_.control().worker.heap_reserved.load(std::memory_order_relaxed) <=
           kMostShadowBytes;
  }

  [[nodiscard]] std::uint64_t committed() const {
    return segment_.control().committed.load(std::memory_order_acquire);
  }
  [[nodiscard]] std::uint64_t count_changes() const {
    return segment_.control().counts.state_changes.load(std::memory_order_acquire);
  }
  // Of the changes up to what was seen, those that are counted by now: that comes a moment after
  // the commit. Where others were committed meanwhile, those counted `before` it was looked.
  [[nodiscard]] std::uint64_t count_seen(std::uint64_t before) const {
    const std::uint64_t now = count_changes();
    return committed() == sequence_ ? now : before;
  }

  Result<void> take_copy(std::string& value, segment::Shadow::Clock::time_point until) {
    if (const auto refreshed = shadow_.refresh(until); !refreshed) return refreshed;
    sequence_ = shadow_.sequence();
    show(shadow_.heap(), value);
    return {};
  }

  Result<void> take_in_place(std::string& value) {
    if (const auto taken = picture_.take(); !taken) return taken;
    sequence_ = picture_.sequence();
    show(picture_.heap(), value);
    return picture_.holds() ? Result<void>{} : segment::moved(segment_);
  }

  void show(std::span<const std::byte> heap, std::string& value) {
    is_foreign_ = view_.is_foreign(heap);
    if (!is_foreign_) value = view_.show(heap, {});
  }

  const segment::Segment& segment_;
  segment::Shadow shadow_;
  segment::Picture picture_;
  StateView view_;
  std::uint64_t sequence_ = 0;
  bool is_foreign_ = false;
  std::string last_;  // as it was shown
};

bool is_asked(int fd) {
  char byte = 0;
  ssize_t got = 0;
  do {
    got = ::read(fd, &byte, 1);
  } while (got < 0 && errno == EINTR);
  return got == 1;
}

}  // namespace

int observe(const segment::Segment& segment, const abi::Behaviour& behaviour, int fd) {
  Observer observer{segment, behaviour};
  while (is_asked(fd)) {
    if (!segment.has_this_plan()) return launch::kExitMoved;
    launch::FromObserver head;
    std::string value;
    const bool is_seen = observer.look(head, value);
    const bool is_told = is_seen && head.seen == Seen::kState;
    head.value_bytes = is_told ? value.size() : 0;
    if (write_all(fd, {reinterpret_cast<const char*>(&head), sizeof head}) != 0) return 0;
    if (!is_told) continue;
    if (write_all(fd, value) != 0) return 0;
    observer.keep(value);
  }
  return 0;
}

}  // namespace peeper::worker
