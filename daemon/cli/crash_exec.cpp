// peeper-crash-exec PROGRAM: what peeperd starts for on_crash_exec. Reads a crash as RESP3, looks
// up names and lines, and becomes PROGRAM, with the crash as JSON on its standard input.
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "common/resp/reply.hpp"
#include "common/write_all.hpp"
#include "daemon/cli/render_json.hpp"
#include "daemon/cli/symbolize.hpp"

namespace {

// A crash has far less. Beyond: it isn't read.
constexpr std::size_t kMostInput = std::size_t{16} << 20;

[[noreturn]] void fail(const std::string& what, int error) {
  std::fprintf(stderr, "peeper-crash-exec: %s%s%s\n", what.c_str(), error != 0 ? ": " : "",
               error != 0 ? std::strerror(error) : "");
  std::exit(EXIT_FAILURE);
}

std::string read_input() {
  std::string text;
  char buffer[16 * 1024];
  while (text.size() < kMostInput) {
    const ssize_t got = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    text.append(buffer, static_cast<std::size_t>(got));
  }
  return text;
}

// A file of memory holds any amount, whether PROGRAM reads it or not.
void make_input_of(std::string_view text) {
  const int file = ::memfd_create("peeper-crash", MFD_CLOEXEC);
  if (file < 0) fail("no file for the record", errno);
  if (const int error = peeper::write_all(file, text); error != 0)
    fail("cannot write the record", error);
  if (::lseek(file, 0, SEEK_SET) != 0 || ::dup2(file, STDIN_FILENO) < 0)
    fail("cannot hand over the record", errno);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) fail("usage: peeper-crash-exec PROGRAM; started by peeperd, never by hand", 0);
  const std::string input = read_input();
  auto crash = peeper::resp::read_value(input);
  if (!crash) fail("what was read is no crash", 0);
  peeper::cli::add_symbols(crash->reply);
  make_input_of(peeper::cli::render_json(crash->reply) + "\n");
  ::execv(argv[1], argv + 1);
  fail(std::string("cannot start ") + argv[1], errno);
}
