// What servers say commands no terminal: not as text, not as JSON, not where Tab was pressed.
#include <doctest/doctest.h>

#include <boost/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "cli_parsed.hpp"
#include "common/json/json_text.hpp"
#include "common/resp/reply.hpp"
#include "common/resp/writer.hpp"
#include "common/utf8.hpp"
#include "daemon/cli/render_bench.hpp"
#include "daemon/cli/render_json.hpp"
#include "daemon/cli/render_text.hpp"
#include "daemon/cli/shell_words.hpp"
#include "daemon/cli/trace.hpp"
#include "daemon/cli/watch.hpp"

using namespace peeper;
using namespace peeper::cli;

namespace {

// U+009B begins a command as ESC [ does; U+202E turns what follows round.
constexpr std::string_view kEvil = "a\x1b[2J\x7f\xc2\x9b\x33m\xe2\x80\xae\xe2\x81\xa6\xd8\x9c\x62";
constexpr std::string_view kEvilJson =
    "\"a\\u001b[2J\\u007f\\u009b3m\\u202e\\u2066\\u061cb\"";

resp::Reply reply(std::string_view bytes) {
  auto read = resp::read_value(bytes);
  REQUIRE(read.has_value());
  return std::move(read->reply);
}

std::string bulk(std::string_view text) {
  std::string bytes;
  resp::append_bulk(bytes, text);
  return bytes;
}

bool is_harmless(std::string_view text) {
  return escape_control(text, LineEnds::kKeep) == text;
}

}  // namespace

TEST_CASE("escape_control leaves nothing that commands a terminal, and nothing that is no UTF-8") {
  CHECK(escape_control(kEvil) == "a\\x1b[2J\\x7f\\x9b3m\\u{202e}\\u{2066}\\u{61c}b");
  std::vector<char32_t> marks{0x61c, 0x200e, 0x200f};
  for (char32_t code = 0x202a; code <= 0x202e; ++code) marks.push_back(code);
  for (char32_t code = 0x2066; code <= 0x2069; ++code) marks.push_back(code);
  for (char32_t code = 0; code < 0x20; ++code) marks.push_back(code);
  for (char32_t code = 0x7f; code <= 0x9f; ++code) marks.push_back(code);
  for (const char32_t code : marks) CHECK(commands_a_terminal(code));
  for (const char32_t code : {U' ', U'~', U'\u00a0', U'\u00e4', U'\u202f', U'\u2065', U'\u4e2d'})
    CHECK_FALSE(commands_a_terminal(code));
  // Single bytes of C1, cut and overlong characters, a surrogate, beyond the last code.
  CHECK(escape_control("\x9b" "2J") == "\\x9b2J");
  CHECK(escape_control("\xc2") == "\\xc2");
  CHECK(escape_control("\xe0\x82\x9b") == "\\xe0\\x82\\x9b");
  CHECK(escape_control("\xed\xa0\x80") == "\\xed\\xa0\\x80");
  CHECK(escape_control("\xf4\x90\x80\x80") == "\\xf4\\x90\\x80\\x80");
  CHECK(escape_control("\xe4\xb8\xad \xc3\xa4") == "\xe4\xb8\xad \xc3\xa4");
}

TEST_CASE("JSON is the same document, and commands no terminal") {
  CHECK(render_json(reply(bulk(kEvil))) == kEvilJson);
  CHECK(boost::json::parse(render_json(reply(bulk(kEvil)))).as_string() == kEvil);
  CHECK(render_json(reply(bulk("\xff\xc3\xa4\xf0\x9f\x98\x80"))) ==
        "\"\uFFFD\xc3\xa4\xf0\x9f\x98\x80\"");
  const std::string map = "%1\r\n" + bulk(kEvil) + "*1\r\n-ERR " + std::string(kEvil) + "\r\n";
  const std::string text = render_json(reply(map));
  CHECK(is_harmless(text));
  CHECK(boost::json::parse(text).at(kEvil).at(0).at("error").at("message").as_string() == kEvil);
  CHECK(is_harmless(render_json_error("ERR", kEvil)));
  CHECK(json_string("\xff") == "\"\uFFFD\"");
  CHECK(json_text(boost::json::value(boost::json::string("\x9b"))) == "\"\\ufffd\"");
  const Options options = test::parsed({"bench", "counter", std::string(kEvil)});
  CHECK(is_harmless(render_bench_json(options, {})));
  CHECK(render_bench_json(options, {}).find(kEvilJson) != std::string::npos);
}

TEST_CASE("keys that are containers are shown without what they would command") {
  const std::string key = "*1\r\n" + bulk(kEvil);
  const std::string state = "%1\r\n" + key + ":1\r\n";
  const std::string shown = "[" + std::string(kEvilJson) + "]: ";
  CHECK(render_value(reply(state), Target::kTerminal) == shown + "1\n");
  const resp::Reply before = reply(state);
  const resp::Reply after = reply("%1\r\n" + key + "*1\r\n" + bulk(kEvil));
  CHECK(render_differences(differences(before, after), {}) ==
        "~ " + shown + "1 -> [" + std::string(kEvilJson) + "]\n");
  CHECK(is_harmless(render_differences_json(kEvil, 1, 1, differences(before, after))));
}

TEST_CASE("trace shows replies without what they would command") {
  const std::string event = "%3\r\n" + bulk("event") + bulk("replied") + bulk("who") + bulk(kEvil) +
                            bulk("reply") + "*1\r\n" + bulk(kEvil);
  const std::string line = render_trace(reply(event));
  CHECK(is_harmless(line));
  CHECK(line.find(kEvilJson) != std::string::npos);
}

TEST_CASE("what a terminal would take for a command completes no word") {
  const std::string evil{kEvil};
  const Vocabulary known{{"call"}, {"kv", "k\xff"}, {}, {{"call", "a"}, {"call", evil}}};
  CHECK(completions("call ", known) == test::Words{"kv"});
  CHECK(completions("call kv ", known) == test::Words{"a"});
  CHECK(completions("call kv " + evil.substr(0, 3), known).empty());
}
