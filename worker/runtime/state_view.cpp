#include "worker/runtime/state_view.hpp"

#include <stdexcept>

#include "common/launch.hpp"
#include "common/limits.hpp"
#include "common/resp/writer.hpp"
#include "peeper/allocator.hpp"
#include "worker/runtime/behaviour.hpp"
#include "worker/runtime/exception_text.hpp"
#include "worker/runtime/heap.hpp"
#include "worker/runtime/host.hpp"

namespace peeper::worker {
namespace {

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

}  // namespace

std::string error_value(const std::string& what) {
  std::string value;
  resp::append_error(value, "ERR " + what);
  return value;
}

StateView::StateView(const segment::Segment& segment, const abi::Behaviour& behaviour)
    : segment_(segment), behaviour_(behaviour) {
  const abi::Host& host = make_looking_host(
      {segment.id().server, segment.control().worker.incarnation.load(std::memory_order_relaxed)});
  peeper::detail::attach(&host);
  behaviour_.attach(&host);
}

bool StateView::is_foreign(std::span<const std::byte> heap) const {
  const auto root = read_root(heap);
  return root && !is_same(root->fingerprint, behaviour_.state);
}

std::string StateView::show(std::span<const std::byte> heap, std::string_view path) {
  const auto root = read_root(heap);
  if (!root) return error_value("the heap in segment " + segment_.id().path() + " is damaged");
  if (!is_same(root->fingerprint, behaviour_.state))
    return error_value(difference(root->fingerprint, behaviour_.state, segment_.id().path()));
  const std::byte* start = heap.data();
  show_dictionary(reinterpret_cast<const Durable*>(start + root->durable_offset));
  std::string value;
  const abi::Sink sink = sink_to(value);
  try {
    if (object_ == nullptr && (behaviour_.flags & abi::kFormatsStatus) != 0)
      object_ = behaviour_.create();
    behaviour_.format_state(object_, start + root->state_offset, {path.data(), path.size()},
                            &sink);
  } catch (...) {
    return error_value("format_status threw " + exception_text());
  }
  return value;
}

}  // namespace peeper::worker
