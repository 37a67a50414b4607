#include "common/resp/reply.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "common/resp/writer.hpp"

using peeper::resp::append_as_resp2;
using peeper::resp::is_error;
using peeper::resp::is_one_value;
using peeper::resp::read_value;
using peeper::resp::ReadReply;
using peeper::resp::Reply;
using peeper::resp::Scan;
using peeper::resp::scan_value;
using peeper::resp::Scanned;
using peeper::resp::ValueScanner;

namespace {

// One well-formed reply of each type, and some nested.
const std::vector<std::string> kReplies = {
    "+OK\r\n",
    "+\r\n",
    "-CRASHED counter: SIGSEGV\r\n",
    ":0\r\n",
    ":-12\r\n",
    ":9223372036854775807\r\n",
    ":-9223372036854775808\r\n",
    "$5\r\nhe\r\no\r\n",
    "$0\r\n\r\n",
    "_\r\n",
    "#t\r\n",
    "#f\r\n",
    ",1.5\r\n",
    ",-10\r\n",
    ",1e-07\r\n",
    ",inf\r\n",
    ",-inf\r\n",
    ",nan\r\n",
    "(123456789012345678901234567890\r\n",
    "(-1\r\n",
    "!8\r\nERR a\r\nb\r\n",
    "=7\r\ntxt:a\nb\r\n",
    "*0\r\n",
    "%0\r\n",
    "~0\r\n",
    "*3\r\n:1\r\n$1\r\na\r\n_\r\n",
    "%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n#t\r\n",
    "~2\r\n+a\r\n+b\r\n",
    "*2\r\n*2\r\n*0\r\n:1\r\n%1\r\n+k\r\n~1\r\n:2\r\n",
};

const std::vector<std::string> kMalformed = {
    "x",
    "\r\n",
    ":\r\n",
    ":+5\r\n",
    ": 5\r\n",
    ":05\r\n",
    ":-0\r\n",
    ":5 \r\n",
    ":9223372036854775808\r\n",
    ":1111111111111111111111111",
    "$+5\r\nhello\r\n",
    "$-2\r\n",
    "$9223372036854775808\r\n",
    "$3\r\nhello\r\n",
    "$5\r\nhello\n\n",
    "$?\r\n;0\r\n",
    "+a\nb\r\n",
    "+a\n\n",
    "+a\rb\r\n",
    "_x\r\n",
    "#x\r\n",
    "#\r\n",
    "#true\r\n",
    ",\r\n",
    ",infinity\r\n",
    ",0x10\r\n",
    ",1.5x\r\n",
    ",+1\r\n",
    ",nan(1)\r\n",
    "(\r\n",
    "(-\r\n",
    "(12a\r\n",
    "=3\r\ntxt\r\n",
    "=5\r\ntxt-a\r\n",
    "*-2\r\n",
    "*?\r\n",
    "%-1\r\n",
    "*9223372036854775808\r\n",
    "|1\r\n+a\r\n+b\r\n:1\r\n",
    "*1\r\n>1\r\n+a\r\n",
};

// A copy with nothing behind it that may be read, so that a sanitizer sees a step too far.
class ExactCopy {
 public:
  explicit ExactCopy(std::string_view bytes)
      : bytes_(std::make_unique<char[]>(bytes.size())), size_(bytes.size()) {
    bytes.copy(bytes_.get(), size_);
  }
  [[nodiscard]] std::string_view view() const { return {bytes_.get(), size_}; }

 private:
  std::unique_ptr<char[]> bytes_;
  std::size_t size_;
};

std::string nested(std::size_t depth) {
  std::string bytes;
  for (std::size_t i = 0; i < depth; ++i) bytes += "*1\r\n";
  return bytes + ":1\r\n";
}

// What a scanner says of `bytes` that arrive one at a time.
Scanned scan_bytewise(std::string_view bytes) {
  ValueScanner scanner;
  for (std::size_t size = 0; size <= bytes.size(); ++size) {
    const ExactCopy arrived(bytes.substr(0, size));
    const Scan status = scanner.scan(arrived.view());
    if (status == Scan::kComplete) return {status, scanner.bytes()};
    if (status == Scan::kMalformed) return {status, 0};
  }
  return {Scan::kIncomplete, 0};
}

std::string as_resp2(std::string_view value) {
  std::string out = "before";
  append_as_resp2(value, out);
  REQUIRE(out.starts_with("before"));
  return out.substr(6);
}

Reply read(std::string_view bytes) {
  std::optional<ReadReply> read = read_value(bytes);
  REQUIRE(read);
  CHECK(read->bytes == bytes.size());
  return std::move(read->reply);
}

// A random well-formed value.
void append_random(std::mt19937_64& random, int depth, std::string& out) {
  const std::size_t size = random() % 4;
  std::string text;
  for (std::size_t i = 0; i < size; ++i) text += static_cast<char>(random());
  switch (random() % (depth > 0 ? 10 : 7)) {
    case 0: return peeper::resp::append_status(out, text);
    case 1: return peeper::resp::append_error(out, text);
    case 2: return peeper::resp::append_integer(out, static_cast<std::int64_t>(random()));
    case 3: return peeper::resp::append_bulk(out, text);
    case 4: return peeper::resp::append_null(out);
    case 5: return peeper::resp::append_double(out, static_cast<double>(random()) / 3);
    case 6: return peeper::resp::append_big_number(out, random());
    case 7: peeper::resp::append_array(out, size); break;
    case 8: peeper::resp::append_set(out, size); break;
    default:
      peeper::resp::append_map(out, size);
      for (std::size_t i = 0; i < size; ++i) append_random(random, depth - 1, out);
  }
  for (std::size_t i = 0; i < size; ++i) append_random(random, depth - 1, out);
}

}  // namespace

TEST_SUITE("replies") {
  TEST_CASE("the end of a value is found, whatever follows it") {
    for (const std::string& value : kReplies) {
      CAPTURE(value);
      for (const char* tail : {"", "+", "garbage", "\r\n"}) {
        const Scanned scanned = scan_value(value + tail);
        CHECK(scanned.status == Scan::kComplete);
        CHECK(scanned.bytes == value.size());
      }
      CHECK(scan_bytewise(value).bytes == value.size());
    }
  }

  TEST_CASE("every proper prefix of a value is incomplete") {
    for (const std::string& value : kReplies) {
      for (std::size_t size = 0; size < value.size(); ++size) {
        const ExactCopy prefix(std::string_view(value).substr(0, size));
        CHECK(scan_value(prefix.view()).status == Scan::kIncomplete);
        CHECK_FALSE(is_one_value(prefix.view()));
        CHECK_FALSE(read_value(prefix.view()));
      }
    }
  }

  TEST_CASE("one value and nothing more is one value") {
    for (const std::string& value : kReplies) {
      CAPTURE(value);
      CHECK(is_one_value(value));
      CHECK_FALSE(is_one_value(value + value));
      CHECK_FALSE(is_one_value(value + "\n"));
    }
    CHECK_FALSE(is_one_value(""));
  }

  TEST_CASE("what is not quite RESP is malformed, at once or byte by byte") {
    for (const std::string& value : kMalformed) {
      CAPTURE(value);
      CHECK(scan_value(value).status == Scan::kMalformed);
      CHECK(scan_bytewise(value).status == Scan::kMalformed);
      CHECK_FALSE(is_one_value(value));
      CHECK_FALSE(read_value(value));
    }
  }

  TEST_CASE("nulls of RESP2 and pushes are values, but no reply a worker may give") {
    for (const std::string value : {"$-1\r\n", "*-1\r\n", ">2\r\n+message\r\n:1\r\n"}) {
      CAPTURE(value);
      CHECK(scan_value(value).bytes == value.size());
      CHECK_FALSE(is_one_value(value));
    }
    CHECK(read("$-1\r\n").type == Reply::Type::kNull);
    CHECK(read("*-1\r\n").type == Reply::Type::kNull);
    CHECK(read(">1\r\n+a\r\n").type == Reply::Type::kPush);
  }

  TEST_CASE("values nest to the limit and not one level deeper") {
    CHECK(is_one_value(nested(peeper::limits::kReplyDepth)));
    CHECK(read_value(nested(peeper::limits::kReplyDepth)));
    CHECK_FALSE(is_one_value(nested(peeper::limits::kReplyDepth + 1)));
    CHECK(scan_value(nested(1'000'000)).status == Scan::kMalformed);
    CHECK_FALSE(read_value(nested(1'000'000)));
  }

  TEST_CASE("an announced size is waited for, not believed") {
    CHECK(scan_value("*9223372036854775807\r\n:1\r\n").status == Scan::kIncomplete);
    CHECK(scan_value("%9223372036854775807\r\n:1\r\n").status == Scan::kIncomplete);
    CHECK(scan_value("$9223372036854775807\r\nabc").status == Scan::kIncomplete);
    CHECK_FALSE(read_value("*9223372036854775807\r\n:1\r\n"));
  }

  TEST_CASE("a tree of more values than asked for is refused") {
    CHECK(read_value("*2\r\n:1\r\n:2\r\n", 3));
    CHECK_FALSE(read_value("*2\r\n:1\r\n:2\r\n", 2));
  }

  TEST_CASE("errors are told from other values by their first byte") {
    CHECK(is_error("-ERR x\r\n"));
    CHECK(is_error("!3\r\nERR\r\n"));
    CHECK_FALSE(is_error("+OK\r\n"));
    CHECK_FALSE(is_error("$2\r\n-x\r\n"));
    CHECK_FALSE(is_error(""));
  }

  TEST_CASE("types both protocols know pass to RESP2 unchanged") {
    for (const std::string value : {"+OK\r\n", "-ERR x\r\n", ":5\r\n", "$3\r\na\r\n\r\n",
                                    "*2\r\n:1\r\n*1\r\n+a\r\n", "*0\r\n"}) {
      CHECK(as_resp2(value) == value);
    }
  }

  TEST_CASE("each type only RESP3 knows becomes what Redis makes of it for RESP2") {
    CHECK(as_resp2("_\r\n") == "$-1\r\n");
    CHECK(as_resp2("#t\r\n") == ":1\r\n");
    CHECK(as_resp2("#f\r\n") == ":0\r\n");
    CHECK(as_resp2(",1.5\r\n") == "$3\r\n1.5\r\n");
    CHECK(as_resp2(",-inf\r\n") == "$4\r\n-inf\r\n");
    CHECK(as_resp2("(12345678901234567890\r\n") == "$20\r\n12345678901234567890\r\n");
    CHECK(as_resp2("=7\r\ntxt:a\nb\r\n") == "$3\r\na\nb\r\n");
    CHECK(as_resp2("!9\r\nERR a\r\nbc\r\n") == "-ERR a  bc\r\n");
    CHECK(as_resp2("%2\r\n+a\r\n:1\r\n+b\r\n_\r\n") == "*4\r\n+a\r\n:1\r\n+b\r\n$-1\r\n");
    CHECK(as_resp2("~2\r\n+a\r\n#t\r\n") == "*2\r\n+a\r\n:1\r\n");
    CHECK(as_resp2(">2\r\n+message\r\n:1\r\n") == "*2\r\n+message\r\n:1\r\n");
    CHECK(as_resp2("*1\r\n%1\r\n+k\r\n~0\r\n") == "*1\r\n*2\r\n+k\r\n*0\r\n");
  }

  TEST_CASE("a translation of any value is a value of RESP2") {
    for (const std::string& value : kReplies) {
      CAPTURE(value);
      const std::string translated = as_resp2(value);
      CHECK(scan_value(translated).bytes == translated.size());
      CHECK(translated.find_first_of("%~_#,(!=>") == std::string::npos);
    }
    CHECK(as_resp2("*1\r\nx") == "-ERR malformed value\r\n");
  }

  TEST_CASE("a tree holds each scalar by its type") {
    CHECK(read("+OK\r\n").type == Reply::Type::kStatus);
    CHECK(read("+OK\r\n").text == "OK");
    CHECK(read("-ERR x\r\n").is_error());
    CHECK(read("!5\r\nERR x\r\n").text == "ERR x");
    CHECK(read("!5\r\nERR x\r\n").is_error());
    CHECK(read(":-9223372036854775808\r\n").integer == INT64_MIN);
    CHECK(read("$3\r\na\r\n\r\n").text == "a\r\n");
    CHECK(read("_\r\n").type == Reply::Type::kNull);
    CHECK(read("#t\r\n").type == Reply::Type::kBoolean);
    CHECK(read("#t\r\n").integer == 1);
    CHECK(read("#f\r\n").integer == 0);
    CHECK(read(",2.25\r\n").number == 2.25);
    CHECK(read(",2.25\r\n").text == "2.25");
    CHECK(read(",-inf\r\n").number == -INFINITY);
    CHECK(std::isnan(read(",nan\r\n").number));
    CHECK(read("(123\r\n").text == "123");
    CHECK(read("=7\r\nmkd:abc\r\n").text == "abc");
  }

  TEST_CASE("a tree holds containers in order, a map as keys and values by turns") {
    const Reply map = read("%2\r\n+a\r\n:1\r\n+b\r\n*2\r\n_\r\n#t\r\n");
    REQUIRE(map.type == Reply::Type::kMap);
    REQUIRE(map.elements.size() == 4);
    REQUIRE(map.field("b") != nullptr);
    CHECK(map.field("b")->elements.size() == 2);
    CHECK(map.field("a")->integer == 1);
    CHECK(map.field("c") == nullptr);
    CHECK(map.field("b")->field("a") == nullptr);
    CHECK(read("~1\r\n:1\r\n").type == Reply::Type::kSet);
  }

  TEST_CASE("random well-formed values are found whole and nothing shorter is") {
    for (std::uint64_t seed = 1; seed <= 500; ++seed) {
      CAPTURE(seed);
      std::mt19937_64 random(seed);
      std::string value;
      append_random(random, 4, value);
      REQUIRE(is_one_value(value));
      REQUIRE(scan_bytewise(value).bytes == value.size());
      REQUIRE(read_value(value));
      const std::string translated = as_resp2(value);
      REQUIRE(scan_value(translated).bytes == translated.size());
    }
  }

  TEST_CASE("random damage never leads outside the bytes, and pieces agree with the whole") {
    for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
      CAPTURE(seed);
      std::mt19937_64 random(seed);
      std::string value;
      append_random(random, 3, value);
      const std::size_t damages = 1 + random() % 3;
      for (std::size_t i = 0; i < damages; ++i) {
        constexpr std::string_view kAlphabet = "+-:$*%~>_#,(=!\r\n0123456789";
        value[random() % value.size()] = kAlphabet[random() % kAlphabet.size()];
      }
      const ExactCopy copy(value);
      const Scanned scanned = scan_value(copy.view());
      REQUIRE(scanned.bytes <= value.size());
      const Scanned bytewise = scan_bytewise(value);
      REQUIRE(bytewise.status == scanned.status);
      REQUIRE(bytewise.bytes == scanned.bytes);
      REQUIRE(read_value(copy.view()).has_value() == (scanned.status == Scan::kComplete));
      std::string out;
      append_as_resp2(copy.view(), out);
      REQUIRE(out.size() <= 64 * value.size());
    }
  }
}
