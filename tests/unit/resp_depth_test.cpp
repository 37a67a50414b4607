// The deepest values that a server may give reach those who follow it, in what peeperd makes of
// them.
#include <doctest/doctest.h>

#include <memory>
#include <string>

#include "common/client/reply_buffer.hpp"
#include "common/json/value_json.hpp"
#include "common/limits.hpp"
#include "common/resp/reply.hpp"
#include "common/resp/writer.hpp"
#include "daemon/inspection/state_event.hpp"
#include "daemon/inspection/trace_events.hpp"

using namespace peeper;

namespace {

std::string nested(std::size_t depth) {
  std::string value;
  for (std::size_t i = 1; i < depth; ++i) resp::append_array(value, 1);
  resp::append_array(value, 0);
  return value;
}

// As subscribers get it.
std::string pushed(std::string_view value) {
  std::string push;
  resp::append_push(push, 3);
  resp::append_bulk(push, "message");
  resp::append_bulk(push, "counter");
  return push.append(value);
}

const std::string kDeepest = nested(limits::kReplyDepth);

void check_arrives(const std::string& event) {
  const std::string push = pushed(event);
  const resp::Scanned scanned = resp::scan_value(push);
  CHECK(scanned.status == resp::Scan::kComplete);
  CHECK(scanned.bytes == push.size());
  CHECK(value_json(event).has_value());
  client_detail::ReplyBuffer buffer;
  push.copy(buffer.room(push.size()).data(), push.size());
  buffer.filled(push.size());
  const auto got = buffer.next();
  REQUIRE(got.has_value());
  CHECK(got->has_value());
}

}  // namespace

TEST_CASE("an event with the deepest values is no malformed one") {
  REQUIRE(resp::is_one_value(kDeepest));
  daemon::StateEvent changed;
  changed.kind = daemon::StateEvent::Kind::kChanged;
  changed.old = changed.state = std::make_shared<const std::string>(kDeepest);
  check_arrives(daemon::event_value(changed, "counter", "2031-05-06T07:08:09.123Z"));
  daemon::TraceEvent replied;
  replied.event = "replied";
  replied.value = kDeepest;
  REQUIRE(daemon::trace_value(replied).find(kDeepest) != std::string::npos);
  check_arrives(daemon::trace_value(replied));
  check_arrives(kDeepest);  // published
}

TEST_CASE("what nests deeper than any event is malformed, and a server's value is where it was") {
  CHECK_FALSE(resp::is_one_value(nested(limits::kReplyDepth + 1)));
  CHECK(resp::scan_value(nested(limits::kReplyDepth + 2)).status == resp::Scan::kComplete);
  CHECK(resp::scan_value(nested(limits::kReplyDepth + 3)).status == resp::Scan::kMalformed);
  CHECK_FALSE(resp::read_value(nested(limits::kReplyDepth + 3)).has_value());
  CHECK_FALSE(value_json(nested(limits::kReplyDepth + 3)).has_value());
}
