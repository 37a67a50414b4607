#include "worker/runtime/inspector.hpp"

#include <sys/resource.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "common/launch.hpp"
#include "common/limits.hpp"
#include "common/segment/picture.hpp"
#include "common/write_all.hpp"
#include "worker/runtime/state_view.hpp"

namespace peeper::worker {
namespace {

using segment::Picture;

// For a picture that holds. A worker that commits without a pause answers by itself.
constexpr std::chrono::seconds kPatience{1};
constexpr std::chrono::milliseconds kPause{1};

class Inspector {
 public:
  Inspector(const segment::Segment& segment, const abi::Behaviour& behaviour,
            std::string_view path)
      : path_(path), picture_(segment), view_(segment, behaviour) {}

  // None: there was no picture that held.
  std::optional<std::string> look() {
    const auto until = std::chrono::steady_clock::now() + kPatience;
    do {
      const Result<void> taken = picture_.take();
      std::string value;
      if (taken)
        value = view_.show(picture_.heap(), path_);
      else if (taken.error().system_error != EAGAIN)
        value = error_value(taken.error().what);
      if (!value.empty() && picture_.holds()) return value;
      std::this_thread::sleep_for(kPause);
    } while (std::chrono::steady_clock::now() < until);
    return std::nullopt;
  }

 private:
  const std::string_view path_;
  Picture picture_;
  StateView view_;
};

}  // namespace

// The heap's private mapping counts as a whole, however little of it is written; the daemon has
// made room for it in limits.memory. A sanitizer reserves more than any limit has.
void limit_inspector([[maybe_unused]] std::uint64_t heap_bytes) {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
#ifndef PEEPER_SANITIZED
  rlimit data{};
  if (::getrlimit(RLIMIT_DATA, &data) != 0 || data.rlim_cur != RLIM_INFINITY) return;
  data.rlim_cur = limits::kInspectorBytes + heap_bytes;
  ::setrlimit(RLIMIT_DATA, &data);
#endif
}

int inspect(const segment::Segment& segment, const abi::Behaviour& behaviour,
            std::string_view path, int fd) {
  Inspector inspector{segment, behaviour, path};
  const auto value = inspector.look();
  if (!value) return launch::kExitMoved;
  write_all(fd, *value);
  return 0;
}

void answer_failure(int fd, const std::string& why) { write_all(fd, error_value(why)); }

}  // namespace peeper::worker
