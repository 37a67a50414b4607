#include "keeper/event_stream.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <new>
#include <utility>

#include "common/json/value_json.hpp"
#include "common/limits.hpp"

namespace peeper::keeper {
namespace {

bool is_sound(const launch::ToListeners& head) {
  const bool is_known =
      head.event == launch::Told::kChanged || head.event == launch::Told::kTerminated;
  return is_known && head.reason_bytes <= launch::kReasonBytes &&
         head.old_bytes <= limits::kInspectedBytes && head.state_bytes <= limits::kInspectedBytes;
}

// None there is becomes null.
bool take(std::string& bytes, boost::json::value& value) {
  const std::string taken = std::move(bytes);
  if (taken.empty()) return true;
  auto found = value_json(taken);
  if (found) value = *std::move(found);
  return found.has_value();
}

Failure no_memory(const launch::ToListeners& head) {
  return {"no memory for an event of sequence " + std::to_string(head.sequence), ENOMEM};
}

}  // namespace

EventStream::Got EventStream::read(char* to, std::size_t bytes) {
  while (bytes > 0) {
    const ssize_t got = ::recv(stream_.get(), to, bytes, 0);
    if (got < 0 && errno == EINTR) continue;
    // Reset: the daemon went before it had read all that it was sent.
    if (got == 0 || (got < 0 && errno == ECONNRESET)) return Got::kEnd;
    if (got < 0) return Got::kError;
    to += got;
    bytes -= static_cast<std::size_t>(got);
  }
  return Got::kAll;
}

EventStream::Got EventStream::skip(std::uint64_t bytes) {
  std::array<char, 16 * limits::KiB> buffer;
  while (bytes > 0) {
    const std::size_t most = std::min<std::uint64_t>(bytes, buffer.size());
    if (const Got got = read(buffer.data(), most); got != Got::kAll) return got;
    bytes -= most;
  }
  return Got::kAll;
}

Result<std::optional<StateEvent>> EventStream::next() {
  launch::ToListeners head{};
  const auto stop = [](Got got) -> Result<std::optional<StateEvent>> {
    if (got != Got::kError) return std::optional<StateEvent>{};
    return system_failure("what peeperd sends for them can't be read", errno);
  };
  if (const Got got = read(reinterpret_cast<char*>(&head), sizeof head); got != Got::kAll)
    return stop(got);
  if (!is_sound(head)) return Failure{"what peeperd sent is no event for listeners", 0};
  std::string reason;
  std::string old_state;
  std::string state;
  try {
    reason.resize(head.reason_bytes);
    old_state.resize(head.old_bytes);
    state.resize(head.state_bytes);
  } catch (const std::bad_alloc&) {
    const Got skipped = skip(head.reason_bytes + head.old_bytes + head.state_bytes);
    if (skipped != Got::kAll) return stop(skipped);
    return no_memory(head);
  }
  for (std::string* text : {&reason, &old_state, &state})
    if (const Got got = read(text->data(), text->size()); got != Got::kAll) return stop(got);

  StateEvent event;
  event.server = server_;
  event.sequence = head.sequence;
  event.changes = head.changes;
  event.reason = std::move(reason);
  event.kind = head.event == launch::Told::kChanged ? StateEvent::Kind::kChanged
                                                    : StateEvent::Kind::kTerminated;
  try {
    if (take(old_state, event.old_state) && take(state, event.state))
      return std::optional<StateEvent>{std::move(event)};
  } catch (const std::bad_alloc&) {
    return no_memory(head);
  }
  return Failure{"the state that peeperd sent is no RESP3 value", 0};
}

void EventStream::acknowledge() {
  const char done = 1;
  // A daemon that is gone takes us with it.
  [[maybe_unused]] const ssize_t sent = ::send(stream_.get(), &done, 1, MSG_NOSIGNAL);
}

void EventStream::close_behind() { ::shutdown(stream_.get(), SHUT_RD); }

}  // namespace peeper::keeper
