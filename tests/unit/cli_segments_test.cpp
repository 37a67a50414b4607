#include <doctest/doctest.h>

#include <cerrno>

#include "cli_parsed.hpp"
#include "common/resp/reply.hpp"
#include "daemon/cli/commands.hpp"
#include "daemon/cli/render_segments.hpp"

using namespace peeper::cli;
using peeper::test::parsed;
using peeper::test::wire;
using peeper::test::Words;

namespace {

std::string rendered(std::string_view bytes) {
  auto read = peeper::resp::read_value(bytes);
  REQUIRE(read.has_value());
  return render_segments(read->reply, Target::kPipe);
}

}  // namespace

TEST_CASE("segments: the command and its option are the daemon's") {
  CHECK(wire({"segments"}) == Words{"SYS", "SEGMENTS"});
  CHECK(wire({"segments", "--prune"}) == Words{"SYS", "SEGMENTS", "PRUNE"});
}

TEST_CASE("segments: without peeperd it is said what to do") {
  const auto failed = output_for(parsed({"segments"}), {"cannot connect to /x", ENOENT},
                                 FailedWhen::kConnecting, {});
  CHECK(failed.exit_code == kNoConnection);
  CHECK(failed.err.find("start it, or look for yourself: ls -l /dev/shm/peeper.*") !=
        std::string::npos);
  const auto ping = output_for(parsed({"ping"}), {"cannot connect to /x", ENOENT},
                               FailedWhen::kConnecting, {});
  CHECK(ping.err == "peeper: cannot connect to /x\n");
}

TEST_CASE("segments: a table for people") {
  CHECK(rendered("*0\r\n") == "none\n");
  CHECK(rendered("*1\r\n%7\r\n+server\r\n$1\r\na\r\n+state\r\n+stale\r\n+size\r\n:1048576\r\n"
                 "+used\r\n:512\r\n+held\r\n#f\r\n+configured\r\n#t\r\n+age_seconds\r\n:7200\r\n") ==
        "SERVER     SIZE   USED  HELD  CONFIGURED  AGE  STATE\n"
        "a       1.0 MiB  512 B  no    yes         2 h  stale\n");
  CHECK(rendered("*1\r\n%2\r\n+server\r\n$2\r\na\n\r\n+error\r\n$3\r\nno!\r\n") ==
        "SERVER  SIZE  USED  HELD  CONFIGURED  AGE  STATE\n"
        "a\\n        -     -  -     -             -  -: no!\n");
}

TEST_CASE("segments: sizes and ages have the unit that is read best") {
  CHECK(bytes_text(0) == "0 B");
  CHECK(bytes_text(1023) == "1023 B");
  CHECK(bytes_text(1024) == "1.0 KiB");
  CHECK(bytes_text(13 * 1024 * 1024 + 512 * 1024) == "13.5 MiB");
  CHECK(bytes_text(std::int64_t{3} << 50) == "3072.0 TiB");
  CHECK(bytes_text(-1) == "-");
  CHECK(age_text(0) == "0 s");
  CHECK(age_text(119) == "119 s");
  CHECK(age_text(120) == "2 min");
  CHECK(age_text(3 * 3600) == "3 h");
  CHECK(age_text(47 * 3600) == "47 h");
  CHECK(age_text(12 * 86'400 + 5) == "12 d");
  CHECK(age_text(-1) == "-");
}
