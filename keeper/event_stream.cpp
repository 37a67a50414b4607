#include "keeper/event_stream.hpp"

#include <sys/socket.h>

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

}  // namespace

EventStream::Got EventStream::read(char* to, std::size_t bytes) {
  while (bytes > 0) {
    const ssize_t got = ::recv(stream_.get(), to, bytes, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return Got::kEnd;
    to += got;
    bytes -= static_cast<std::size_t>(got);
  }
  return Got::kAll;
}

Result<std::optional<StateEvent>> EventStream::next() {
  launch::ToListeners head{};
  if (read(reinterpret_cast<char*>(&head), sizeof head) == Got::kEnd)
    return std::optional<StateEvent>{};
  if (!is_sound(head)) return Failure{"what peeperd sent is no event for listeners", 0};
  std::string reason(head.reason_bytes, '\0');
  std::string old_state(head.old_bytes, '\0');
  std::string state(head.state_bytes, '\0');
  for (std::string* text : {&reason, &old_state, &state})
    if (read(text->data(), text->size()) == Got::kEnd) return std::optional<StateEvent>{};

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
    return Failure{"no memory for an event of sequence " + std::to_string(head.sequence), ENOMEM};
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
