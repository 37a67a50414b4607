#include <doctest/doctest.h>

#include <chrono>
#include <string>

#include "worker/examples/kv_glob.hpp"

using kv::glob_matches;

TEST_CASE("a glob without special characters matches only itself") {
  CHECK(glob_matches("abc", "abc"));
  CHECK_FALSE(glob_matches("abc", "ab"));
  CHECK_FALSE(glob_matches("abc", "abcd"));
  CHECK_FALSE(glob_matches("abc", "ABC"));
  CHECK_FALSE(glob_matches("", "a"));
  CHECK(glob_matches(std::string_view("a\0b", 3), std::string_view("a\0b", 3)));
  CHECK_FALSE(glob_matches(std::string_view("a\0b", 3), std::string_view("a\0c", 3)));
}

TEST_CASE("in a glob * is any text and ? any one byte") {
  CHECK(glob_matches("*", "anything"));
  CHECK(glob_matches("a*", "a"));
  CHECK(glob_matches("a***", "a"));
  CHECK(glob_matches("*c", "abcbc"));
  CHECK(glob_matches("a*b*c", "aXbXbXc"));
  CHECK_FALSE(glob_matches("a*b*c", "aXcXb"));
  CHECK(glob_matches("h?llo", "hello"));
  CHECK_FALSE(glob_matches("h?llo", "hllo"));
  CHECK_FALSE(glob_matches("?", ""));
  CHECK(glob_matches("*?", "a"));
  CHECK_FALSE(glob_matches("??*", "a"));
}

TEST_CASE("in a glob [] is one byte of a set, a range, or none of them") {
  CHECK(glob_matches("[abc]x", "bx"));
  CHECK_FALSE(glob_matches("[abc]x", "dx"));
  CHECK(glob_matches("[a-c]", "c"));
  CHECK(glob_matches("[c-a]", "b"));
  CHECK_FALSE(glob_matches("[a-c]", "d"));
  CHECK(glob_matches("[^a-c]", "d"));
  CHECK_FALSE(glob_matches("[^a-c]", "a"));
  CHECK(glob_matches("[x\\]]", "]"));
  CHECK(glob_matches("[\\^a]", "^"));
  CHECK_FALSE(glob_matches("[]", "]"));
  CHECK(glob_matches("[^]", "x"));
  CHECK(glob_matches("*[0-9]*", "key:7:x"));
}

TEST_CASE("in a glob \\ takes the next character as it is") {
  CHECK(glob_matches("a\\*", "a*"));
  CHECK_FALSE(glob_matches("a\\*", "ab"));
  CHECK(glob_matches("\\?\\[\\\\", "?[\\"));
}

TEST_CASE("odd globs mean what they mean to Redis") {
  CHECK(glob_matches("[ab", "b"));    // a set that is not closed
  CHECK(glob_matches("a\\", "a\\"));  // a '\' before nothing
  CHECK(glob_matches("[a-]", "^"));   // from 'a' to ']', and not closed
  CHECK_FALSE(glob_matches("[a-]", "-"));
  CHECK(glob_matches("", ""));
  CHECK(glob_matches("*", ""));
  CHECK_FALSE(glob_matches("**", ""));
}

TEST_CASE("a glob of many stars is decided in time") {
  std::string pattern;
  for (int i = 0; i < 1000; ++i) pattern += "*a";
  const std::string text(10'000, 'a');
  CHECK(glob_matches(pattern, text));
  CHECK_FALSE(glob_matches(pattern + "b", text));
}
