// Lines of `peeper shell`: where they come from, words, quotes, completions.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <random>
#include <string>
#include <thread>
#include <vector>

#include "common/unique_fd.hpp"
#include "common/write_all.hpp"
#include "daemon/cli/line_reader.hpp"
#include "daemon/cli/shell_words.hpp"

using namespace peeper;
using namespace peeper::cli;

namespace {

using Words = std::vector<std::string>;

Words words(std::string_view line) {
  auto split = split_words(line);
  REQUIRE(split.has_value());
  return *std::move(split);
}

const Vocabulary kKnown{{"call", "cast", "crashes", "help", "kill", "ls", "start"},
                        {"counter", "count er", "kv"},
                        {"bank"},
                        {{"call", "inc"},
                         {"call", "in it"},
                         {"cast", "increase"},
                         {"info", "tick"}}};

}  // namespace

TEST_CASE("shell: lines come whole from a pipe that does not block, also in pieces") {
  int ends[2] = {-1, -1};
  REQUIRE(::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
  const UniqueFd input{ends[0]};
  UniqueFd output{ends[1]};
  LineReader lines{input.get()};
  CHECK(write_all(output.get(), "ls\n\nstate k") == 0);
  CHECK(lines.next() == "ls");
  CHECK(lines.next() == "");
  const std::string rest(10'000, 'v');
  std::thread writer{[&] {
    write_all(output.get(), rest);
    write_all(output.get(), "\r\nping");
    output.reset();
  }};
  CHECK((lines.next() == "state k" + rest + "\r"));
  CHECK(lines.next() == "ping");
  CHECK_FALSE(lines.next().has_value());
  writer.join();
}

TEST_CASE("shell: words, quotes, escapes and comments") {
  CHECK(words("") == Words{});
  CHECK(words("  call  counter\tinc ") == Words{"call", "counter", "inc"});
  CHECK(words("call kv SET 'a b' \"c \\\" d\" e\\ f") ==
        Words{"call", "kv", "SET", "a b", "c \" d", "e f"});
  CHECK(words("a''b \"\" ''") == Words{"ab", "", ""});
  CHECK(words("'\\n' \"\\n\" \\n") == Words{"\\n", "\\n", "n"});
  CHECK(words("ls # all of them") == Words{"ls"});
  CHECK(words("call a b#c '#d'") == Words{"call", "a", "b#c", "#d"});
  CHECK(words("a\\") == Words{"a\\"});
  CHECK_FALSE(split_words("call 'a").has_value());
  CHECK(split_words("call \"a").error().what == "the quote \" is not closed");
}

TEST_CASE("shell: a quoted word is read back as it was") {
  std::mt19937 random{3};
  constexpr std::string_view kBytes = "ab \t'\"\\#$\n\xff";
  for (int i = 0; i < 5'000; ++i) {
    std::string word;
    for (auto n = random() % 8; n > 0; --n) word += kBytes[random() % kBytes.size()];
    CHECK(words("x " + quote_word(word) + " y") == Words{"x", word, "y"});
  }
}

TEST_CASE("shell: completions of commands, servers, and what else may come") {
  CHECK(completions("", kKnown) == Words{"call", "cast", "crashes", "help", "kill", "ls", "start"});
  CHECK(completions("ca", kKnown) == Words{"call", "cast"});
  CHECK(completions("call ", kKnown) == Words{"\"count er\"", "counter", "kv"});
  CHECK(completions("call \"count ", kKnown) == Words{"\"count er\""});
  CHECK(completions("call --timeout ", kKnown) == Words{"\"count er\"", "counter", "kv"});
  CHECK(completions("call counter inc ", kKnown) == Words{});
  CHECK(completions("start b", kKnown) == Words{"bank"});
  CHECK(completions("kill kv k", kKnown) == Words{"keeper"});
  CHECK(completions("deadletters r", kKnown) == Words{"retry"});
  CHECK(completions("deadletters retry k", kKnown) == Words{"kv"});
  CHECK(completions("crashes kv ", kKnown) == Words{"show"});
  CHECK(completions("help l", kKnown) == Words{"ls"});
  CHECK(completions("zzz ", kKnown) == Words{});
  CHECK(begin_of_last_word("call cou") == 5);
  CHECK(begin_of_last_word("call ") == 5);
  CHECK(begin_of_last_word("call 'a b") == 5);
}

TEST_CASE("shell: messages complete by the kind that the command sends") {
  CHECK(completions("call counter ", kKnown) == Words{"\"in it\"", "inc"});
  CHECK(completions("call --json counter inc", kKnown) == Words{"inc"});
  CHECK(completions("bench counter inc", kKnown) == Words{"inc"});
  CHECK(completions("cast counter ", kKnown) == Words{"increase"});
  CHECK(completions("send counter t", kKnown) == Words{"tick"});
  CHECK(completions("state counter ", kKnown) == Words{});
  CHECK(completions("messages c", kKnown) == Words{"\"count er\"", "counter"});
  CHECK(completions("replace-state k", kKnown) == Words{"kv"});
  CHECK(completions("replace-state kv ", kKnown) == Words{});
}

TEST_CASE("shell: what completes a word is asked for, and no more") {
  CHECK_FALSE(wanted_for("").servers);
  CHECK_FALSE(wanted_for("cal").servers);
  CHECK(wanted_for("call ").servers);
  CHECK(wanted_for("call cou").messages_of.empty());
  CHECK(wanted_for("call 'count er' ").messages_of == "count er");
  CHECK_FALSE(wanted_for("call counter ").servers);
  CHECK(wanted_for("send counter ti").messages_of == "counter");
  CHECK(wanted_for("call counter inc ").messages_of.empty());
  CHECK(wanted_for("deadletters show ").servers);
  CHECK(wanted_for("state counter ").messages_of.empty());
}
