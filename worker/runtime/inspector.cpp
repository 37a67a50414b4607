#include "worker/runtime/inspector.hpp"

#include <sys/resource.h>

#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <thread>

#include "common/launch.hpp"
#include "common/limits.hpp"
#include "common/resp/writer.hpp"
#include "common/segment/picture.hpp"
#include "common/write_all.hpp"
#include "peeper/allocator.hpp"
#include "worker/runtime/behaviour.hpp"
#include "worker/runtime/exception_text.hpp"
#include "worker/runtime/heap.hpp"
#include "worker/runtime/host.hpp"

namespace peeper::worker {
namespace {

using segment::Picture;

// For a picture that holds. A worker that commits without a pause answers by itself.
constexpr std::chrono::seconds kPatience{1};
constexpr std::chrono::milliseconds kPause{1};

std::string error_value(const std::string& what) {
  std::string value;
  resp::append_error(value, "ERR " + what);
  return value;
}

abi::Sink sink_to(std::string& value) {
  const auto write = [](void* context, const char* data, std::size_t size) {
    auto& out = *static_cast<std::string*>(context);
    if (size > limits::kInspectedBytes - out.size())
      throw std::length_error("the state is shown in more than " +
                              std::to_string(limits::kInspectedBytes) +
                              " bytes; name a part of it by a path");
    out.append(data, size);
  };
  return {&value, write, [](void*, const char*, std::size_t) {},
          [](void*, abi::Then, std::uint64_t, abi::Bytes) {}};
}

class Inspector {
 public:
  Inspector(const segment::Segment& segment, const abi::Behaviour& behaviour,
            std::string_view path)
      : segment_(segment), behaviour_(behaviour), path_(path), picture_(segment) {
    const abi::Host& host = make_looking_host(
        {segment.id().server,
         segment.control().worker.incarnation.load(std::memory_order_relaxed)});
    peeper::detail::attach(&host);
    behaviour_.attach(&host);
  }

  // None: there was no picture that held.
  std::optional<std::string> look() {
    const auto until = std::chrono::steady_clock::now() + kPatience;
    do {
      const Result<void> taken = picture_.take();
      std::string value;
      if (taken)
        value = show();
      else if (taken.error().system_error != EAGAIN)
        value = error_value(taken.error().what);
      if (!value.empty() && picture_.holds()) return value;
      std::this_thread::sleep_for(kPause);
    } while (std::chrono::steady_clock::now() < until);
    return std::nullopt;
  }

 private:
  std::string show() {
    const auto root = read_root(picture_.heap());
    if (!root) return error_value("the heap in segment " + segment_.id().path() + " is damaged");
    if (!is_same(root->fingerprint, behaviour_.state))
      return error_value(difference(root->fingerprint, behaviour_.state, segment_.id().path()));
    const std::byte* heap = picture_.heap().data();
    show_dictionary(reinterpret_cast<const Durable*>(heap + root->durable_offset));
    std::string value;
    const abi::Sink sink = sink_to(value);
    try {
      if (object_ == nullptr && (behaviour_.flags & abi::kFormatsStatus) != 0)
        object_ = behaviour_.create();
      behaviour_.format_state(object_, heap + root->state_offset, {path_.data(), path_.size()},
                              &sink);
    } catch (...) {
      return error_value("format_status threw " + exception_text());
    }
    return value;
  }

  const segment::Segment& segment_;
  const abi::Behaviour& behaviour_;
  const std::string_view path_;
  Picture picture_;
  void* object_ = nullptr;  // the behaviour's
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
