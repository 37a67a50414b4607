// What a keeper's listeners make of an event, without a keeper.
#include <doctest/doctest.h>

#include <boost/json.hpp>
#include <string>
#include <vector>

#include "common/json/value_json.hpp"
#include "keeper/exec_listener.hpp"
#include "keeper/json_diff.hpp"
#include "keeper/log_listener.hpp"
#include "keeper/statsd_text.hpp"

using namespace peeper;
using namespace peeper::keeper;
namespace json = boost::json;

namespace {

StateEvent change(const char* before, const char* after, std::uint64_t changes = 1) {
  StateEvent event;
  event.server = "counter";
  event.sequence = 7;
  event.changes = changes;
  event.old_state = json::parse(before);
  event.state = json::parse(after);
  return event;
}

StateEvent termination(std::string reason) {
  StateEvent event;
  event.kind = StateEvent::Kind::kTerminated;
  event.server = "counter";
  event.sequence = 7;
  event.reason = std::move(reason);
  return event;
}

std::string differences(const char* before, const char* after) {
  std::string all;
  const json::value old_state = json::parse(before);
  const json::value state = json::parse(after);
  see_differences(old_state, state,
                  [&](const std::string& path, const json::value* one, const json::value* other) {
                    all += path + "=" + (one == nullptr ? "-" : json::serialize(*one)) + ">" +
                           (other == nullptr ? "-" : json::serialize(*other)) + " ";
                    return true;
                  });
  return all;
}

}  // namespace

TEST_CASE("json: the bytes of a value are as JSON what its tree is") {
  for (const char* value :
       {":5\r\n", "$-1\r\n", "_\r\n", "#t\r\n", ",1.5\r\n", ",inf\r\n", "+OK\r\n",
        "-CRASHED now\r\n",
        "$3\r\na\xff" "b\r\n", "(18446744073709551615\r\n", "(-99999999999999999999\r\n",
        "*2\r\n:1\r\n*0\r\n", "~1\r\n:1\r\n", "%1\r\n$1\r\na\r\n%1\r\n:1\r\n:2\r\n",
        "%2\r\n$1\r\na\r\n:1\r\n$1\r\na\r\n:2\r\n",
        "%3\r\n+b\r\n:1\r\n+a\r\n*1\r\n:2\r\n+b\r\n:3\r\n",
        "%0\r\n", "=7\r\ntxt:abc\r\n"}) {
    CAPTURE(value);
    const auto of_bytes = value_json(std::string_view(value));
    REQUIRE(of_bytes.has_value());
    CHECK(*of_bytes == value_json(resp::read_value(value)->reply));
  }
  CHECK(json::serialize(*value_json("%3\r\n+b\r\n:1\r\n+a\r\n*1\r\n:2\r\n+b\r\n:3\r\n")) ==
        R"([["b",1],["a",[2]],["b",3]])");
  CHECK_FALSE(value_json(":5").has_value());
  CHECK_FALSE(value_json(":5\r\n:6\r\n").has_value());
  CHECK_FALSE(value_json("nonsense").has_value());
}

TEST_CASE("listener: differences are those of the leaves, added, removed, or changed") {
  CHECK(differences(R"({"a":1,"b":[1,2],"c":"x"})", R"({"a":1,"b":[1,3],"c":"x"})") == "b.1=2>3 ");
  CHECK(differences(R"({"a":{"b":1},"c":2})", R"({"d":{"e":2},"a":{"b":5}})") ==
        "d=->{\"e\":2} a.b=1>5 c=2>- ");
  CHECK(differences("[1,2]", "[1]") == "1=2>- ");
  CHECK(differences("1", "[1]") == "=1>[1] ");
  CHECK(differences("{}", "{}") == "");
}

TEST_CASE("listener log: one line an event, with some differences, each cut") {
  CHECK(log_text(change(R"({"n":1})", R"({"n":2})")) == "sequence 7, 1 change: n: 1 -> 2");
  CHECK(log_text(change("1", "2", 3)) == "sequence 7, 3 changes: 1 -> 2");
  CHECK(log_text(change("[]", "[1,2,3,4,5,6,7]")) ==
        "sequence 7, 1 change: 0: added 1, 1: added 2, 2: added 3, 3: added 4, 4: added 5, "
        "and 2 more");
  CHECK(log_text(change("{\"a\":1}", "{}")) == "sequence 7, 1 change: a: removed 1");
  CHECK(log_text(change("1", "1")) == "sequence 7, 1 change: nothing that can be seen");
  CHECK(log_text(termination("normal")) == "sequence 7, terminated: normal");
  const std::string large = '"' + std::string(100'000, 'x') + '"';
  CHECK(log_text(change("0", large.c_str())).size() < 200);
  CHECK(log_text(termination(std::string(100'000, 'x'))).size() < 1'000);
  std::string many = "[0";
  for (int i = 1; i < 5'000; ++i) many += ",0";
  CHECK(log_text(change("[]", (many + "]").c_str())).ends_with(", and 995 or more"));
  // Between two characters.
  const std::string wide = "\"" + std::string(58, 'x') + "\xc3\xa4\xc3\xa4" + "\"";
  CHECK(log_text(change("0", wide.c_str())).ends_with("x..."));
}

TEST_CASE("listener statsd: names are safe, negative numbers are set, datagrams fit") {
  CHECK(statsd_word("a.b c:d|e@f-g_h") == "a_b_c_d_e_f-g_h");
  CHECK(statsd_word("") == "_");
  using Texts = std::vector<std::string>;
  CHECK(statsd_datagrams(change(R"({"a b":{"c":1},"t":"x","f":1.5})",
                                R"({"a b":{"c":2},"t":"y","f":2.25,"l":[-1,true,null]})", 4)) ==
        Texts{"peeper.counter.changes:4|c\npeeper.counter.a_b.c:2|g\npeeper.counter.f:2.25|g\n"
              "peeper.counter.l.0:0|g\npeeper.counter.l.0:-1|g"});
  CHECK(statsd_datagrams(change("1", "2")) ==
        Texts{"peeper.counter.changes:1|c\npeeper.counter.state:2|g"});
  CHECK(statsd_datagrams(termination("")) == Texts{"peeper.counter.terminations:1|c"});
  std::string many = "[0";
  for (int i = 1; i < 5'000; ++i) many += ",0";
  std::size_t lines = 0;
  for (const std::string& datagram : statsd_datagrams(change("[]", (many + "]").c_str()))) {
    CHECK(datagram.size() <= kDatagramBytes);
    lines += 1 + static_cast<std::size_t>(std::ranges::count(datagram, '\n'));
  }
  CHECK(lines == 1 + kMostGauges);
}

TEST_CASE("listener exec: the document is JSON whatever the state and the reason are") {
  const json::value changed = json::parse(event_document(change("[1]", "{\"a\":null}", 2)));
  CHECK(changed == json::parse(R"({"event":"changed","server":"counter","sequence":7,"changes":2,
                                   "old":[1],"state":{"a":null}})"));
  const json::value ended = json::parse(event_document(termination("\"\n\xff")));
  CHECK(ended == json::parse(R"({"event":"terminated","server":"counter","sequence":7,
                                 "reason":"\"\n\ufffd","state":null})"));
}
