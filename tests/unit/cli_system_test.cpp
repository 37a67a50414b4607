// `peeper replace-state` and `peeper messages`: their words, and the table.
#include <doctest/doctest.h>

#include <variant>

#include "cli_parsed.hpp"
#include "common/resp/reply.hpp"
#include "common/resp/writer.hpp"
#include "daemon/cli/commands.hpp"
#include "daemon/cli/render_messages.hpp"

using namespace peeper;
using namespace peeper::cli;
using peeper::test::parsed;
using peeper::test::wire;
using peeper::test::Words;

namespace {

Words replaced_by(const Words& values) {
  Words words{"SYS", "REPLACE_STATE", "counter"};
  words.insert(words.end(), values.begin(), values.end());
  return words;
}

std::string refused(const Words& arguments) {
  const auto result = parse_options(arguments);
  REQUIRE(std::holds_alternative<Usage>(result));
  CHECK(std::get<Usage>(result).exit_code == kUsage);
  return std::get<Usage>(result).text;
}

struct Listed {
  std::string_view kind;
  std::string_view name;
  std::string_view arguments;
  std::string_view text;
};

std::string rendered(const std::vector<Listed>& list, Target target) {
  std::string bytes;
  resp::append_array(bytes, list.size());
  for (const Listed& message : list) {
    resp::append_map(bytes, 4);
    resp::append_bulk(bytes, "kind");
    resp::append_bulk(bytes, message.kind);
    resp::append_bulk(bytes, "message");
    resp::append_bulk(bytes, message.name);
    resp::append_bulk(bytes, "arguments");
    resp::append_bulk(bytes, message.arguments);
    resp::append_bulk(bytes, "text");
    resp::append_bulk(bytes, message.text);
  }
  auto read = resp::read_value(bytes);
  REQUIRE(read.has_value());
  return render_messages(read->reply, "kv", target);
}

}  // namespace

TEST_CASE("replace-state sends what stands behind SERVER as it is") {
  CHECK(wire({"replace-state", "counter", "5"}) == replaced_by({"5"}));
  CHECK(wire({"replace-state", "counter", "-5"}) == replaced_by({"-5"}));
  CHECK(wire({"replace-state", "counter", "-5", "--json", "-h"}) ==
        replaced_by({"-5", "--json", "-h"}));
  CHECK(wire({"replace-state", "counter", "--", "a"}) == replaced_by({"--", "a"}));
  CHECK(wire({"replace-state", "counter", ""}) == replaced_by({""}));
  CHECK(wire({"replace-state", "counter", "a", "[b,c]"}) == replaced_by({"a", "[b,c]"}));
  CHECK(wire({"--json", "replace-state", "--timeout", "7", "counter", "5"}) == replaced_by({"5"}));
  CHECK(parsed({"--json", "replace-state", "counter", "5"}).json);
  CHECK(refused({"replace-state", "counter"}).find("VALUE") != std::string::npos);
  CHECK(refused({"replace-state"}).find("SERVER") != std::string::npos);
  CHECK(wire({"messages", "counter"}) == Words{"SYS", "MESSAGES", "counter"});
  CHECK(refused({"messages"}).find("SERVER") != std::string::npos);
}

TEST_CASE("messages are a table within 80 columns, and in a pipe a line each") {
  const std::vector<Listed> list{
      {"call", "get", "KEY", "replies the value"},
      {"cast", "set", "KEY VALUE [NX|XX] [GET] [EX S|PX MS]", "sets it"},
      {"info", "tick", "",
       "a text of many words that is so long that it goes on in a second line of the table"},
      {"info", "tack", "", ""},
  };
  CHECK(rendered(list, Target::kTerminal) ==
        "KIND  MESSAGE  WHAT IT DOES\n"
        "call  get KEY  replies the value\n"
        "cast  set KEY VALUE [NX|XX] [GET] [EX S|PX MS]\n"
        "               sets it\n"
        "info  tick     a text of many words that is so long that it goes on in a second\n"
        "               line of the table\n"
        "info  tack\n");
  CHECK(rendered(list, Target::kPipe) ==
        "KIND  MESSAGE  WHAT IT DOES\n"
        "call  get KEY  replies the value\n"
        "cast  set KEY VALUE [NX|XX] [GET] [EX S|PX MS]  sets it\n"
        "info  tick     a text of many words that is so long that it goes on in a second line of "
        "the table\n"
        "info  tack\n");
  CHECK(rendered({{"call", "a\033b", "", "c\nd"}}, Target::kPipe) ==
        "KIND  MESSAGE  WHAT IT DOES\ncall  a\\x1bb   c\\nd\n");
}

TEST_CASE("a behaviour that lists no messages is no mistake") {
  const std::string text = rendered({}, Target::kTerminal);
  CHECK(text.starts_with("The behaviour of server 'kv' lists no messages."));
  CHECK(text.find("peeper-server(7)") != std::string::npos);
}
