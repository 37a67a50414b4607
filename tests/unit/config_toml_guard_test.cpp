#include <doctest/doctest.h>

#include <string>

#include "daemon/config/load.hpp"
#include "daemon/config/toml_guard.hpp"

using peeper::config::guard_toml;
using peeper::config::kMostKeyDots;

namespace {

int line_found(const std::string& toml) { return guard_toml(toml).line; }

std::string dotted(std::size_t dots) {
  std::string key;
  for (std::size_t i = 0; i < dots; ++i) key += "a.";
  return key + "a";
}

}  // namespace

TEST_CASE("a key of very many dots is found before the TOML parser sees it") {
  CHECK(line_found("") == 0);
  CHECK(line_found(dotted(kMostKeyDots) + " = 1\n" + dotted(kMostKeyDots) + " = 1") == 0);
  CHECK(line_found("x = 1\n" + dotted(kMostKeyDots + 1) + " = 1") == 2);
  CHECK(line_found("[" + dotted(100) + "]") == 1);
  CHECK(line_found("x = {b = 1, " + dotted(100) + " = 1}") == 1);
}

TEST_CASE("dots and brackets and any character may stand in strings and comments") {
  const std::string dots(100, '.');
  CHECK(line_found("x = \"" + dots + "\\\"" + dots + "\" # " + dots) == 0);
  CHECK(line_found("x = '" + dots + "\\' # " + dots) == 0);
  CHECK(line_found("x = \"\"\"\n" + dots + "\n[=]\"\"\"\n y = '''\n[=]\n" + dots + "'''") == 0);
  CHECK(line_found("x = \"z\xc3\xa4hler\" # \xc3\xa4\n\"\xc3\xa4\" = 1") == 0);
  CHECK(line_found("\xef\xbb\xbfx = 1\r\n\ty = 2") == 0);
}

TEST_CASE("the end of a string hides nothing of what follows it") {
  const std::string rest = ", " + dotted(100) + " = 1}";
  for (const char* text :
       {R"("")", R"("\\")", R"("\"")", R"("""q""")", R"("""q"""")", R"("""q""""")", R"("""\"""")",
        R"('\')", R"('')", R"('''q''')", R"('''q'''')", R"('''q''''')", R"('''\''')"}) {
    CAPTURE(text);
    CHECK(line_found("\nx = {b = " + (text + rest)) == 2);
  }
}

TEST_CASE("a character outside of quotes that isn't plain ASCII is found") {
  CHECK(line_found("x = 1\nz\xc3\xa4hler = 1") == 2);
  CHECK(line_found("\xe2\x80\x89x = 1") == 1);
  CHECK(line_found("x = 1 \xc2\xa0") == 1);
  CHECK(line_found(std::string("x\0 = 1", 6)) == 1);
  CHECK(line_found("x = \"a\" \x7f") == 1);
}

TEST_CASE("what the guard finds is one mistake with its place") {
  const auto loaded = peeper::config::parse("[daemon]\n\nx z\xc3\xa4hler = 1\n", "c.toml");
  REQUIRE(loaded.mistakes.size() == 1);
  CHECK(describe("c.toml", loaded.mistakes[0]) ==
        "c.toml:3:4: expected only plain ASCII outside of quotes");
}
