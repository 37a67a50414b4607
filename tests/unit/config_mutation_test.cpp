// A valid configuration cut and changed at random: whatever comes out is read or refused, and never
// ends the process. PEEPER_SEED repeats a run.
#include <doctest/doctest.h>

#include <cstdlib>
#include <random>
#include <string>

#include "daemon/config/load.hpp"

using namespace peeper::config;

namespace {

constexpr std::string_view kValid = R"(# a comment
[daemon]
socket = "/run/peeperd/peeperd.sock"
socket_mode = "0600"
instance = 'default'
log_level = "info"
max_restarts = 3

[[server]]
name = "counter"
behaviour = "counter"
state = { start = "0", "quoted key" = '''a''' }
state_size = "64MiB"
shutdown = "5s"
callback_timeout = "5s"
mailbox = 4194304
listener = [
  "log",
]

[[server]]
name = "other"
behaviour = "./other.so"
state = """
many
lines"""
restart = "transient"
)";

constexpr std::string_view kPieces[] = {"[",
                                        "]",
                                        "[[server]]",
                                        "{",
                                        "}",
                                        "\"",
                                        "'",
                                        "\"\"\"",
                                        "'''",
                                        "=",
                                        ".",
                                        ",",
                                        "\n",
                                        "\r\n",
                                        "#",
                                        "\\",
                                        "\\u0000",
                                        "\\U0010FFFF",
                                        "99999999999999999999",
                                        "-1",
                                        "0x",
                                        "1e999",
                                        "inf",
                                        "nan",
                                        "true",
                                        "1979-05-27T07:32:00Z",
                                        "\xef\xbb\xbf",
                                        "\xff",
                                        "\xc3\xa4",
                                        "name = \"counter\"",
                                        "infinity"};

using Random = std::mt19937_64;

std::size_t below(Random& random, std::size_t end) {
  return std::uniform_int_distribution<std::size_t>(0, end - 1)(random);
}

void mutate(std::string& text, Random& random) {
  const std::size_t at = below(random, text.size() + 1);
  const std::size_t length = std::min(below(random, 40), text.size() - at);
  switch (below(random, 5)) {
    case 0: text.resize(at); break;
    case 1: text.erase(at, length); break;
    case 2: text.insert(at, kPieces[below(random, std::size(kPieces))]); break;
    case 3: text.insert(below(random, text.size() + 1), text.substr(at, length)); break;
    case 4:
      if (at < text.size()) text[at] = static_cast<char>(below(random, 256));
      break;
  }
}

std::uint64_t seed_of_this_run() {
  const char* given = std::getenv("PEEPER_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
}

// What every answer must be, whatever was asked.
void check_answer(const Loaded& loaded) {
  for (std::size_t i = 0; i < loaded.mistakes.size(); ++i) {
    const Mistake& mistake = loaded.mistakes[i];
    if (mistake.text.empty() || mistake.text.size() > 2'000) FAIL("text: " << mistake.text);
    if (i > 0 && loaded.mistakes[i - 1].line > mistake.line) FAIL("not in order");
  }
  for (const ServerSection& server : loaded.config.servers) {
    if (loaded.mistakes.empty() && (server.name.empty() || server.behaviour.empty())) {
      FAIL("accepted without a name or behaviour");
    }
  }
}

}  // namespace

TEST_CASE("a valid configuration cut off at each of its bytes is read or refused") {
  REQUIRE(parse(kValid, "c.toml").mistakes.empty());
  for (std::size_t length = 0; length < kValid.size(); ++length) {
    check_answer(parse(kValid.substr(0, length), "c.toml"));
  }
}

TEST_CASE("a valid configuration changed at random is read or refused") {
  const std::uint64_t seed = seed_of_this_run();
  MESSAGE("seed " << seed << "; PEEPER_SEED=" << seed << " repeats it");
  CAPTURE(seed);
  Random random(seed);
  for (int round = 0; round < 5'000; ++round) {
    CAPTURE(round);
    std::string text(kValid);
    for (std::size_t changes = 1 + below(random, 8); changes > 0; --changes) mutate(text, random);
    check_answer(parse(text, "c.toml"));
  }
}
