// Writing all of a text where the descriptor doesn't block.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <string>
#include <thread>

#include "common/unique_fd.hpp"
#include "common/write_all.hpp"

using namespace peeper;

namespace {

constexpr std::size_t kPipeBytes = 4096;

struct Pipe {
  UniqueFd read_end;
  UniqueFd write_end;
};

// As those have it whose parent has set O_NONBLOCK.
Pipe small_pipe() {
  int ends[2] = {-1, -1};
  REQUIRE(::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
  Pipe pipe{UniqueFd{ends[0]}, UniqueFd{ends[1]}};
  REQUIRE(::fcntl(ends[1], F_SETPIPE_SZ, static_cast<int>(kPipeBytes)) >= 0);
  REQUIRE(::fcntl(ends[0], F_SETFL, 0) == 0);  // who reads blocks
  return pipe;
}

}  // namespace

TEST_CASE("all is written into a pipe that does not block, however slow its reader is") {
  std::string text;
  while (text.size() < 1024 * 1024) text += std::to_string(text.size()) + " ";
  Pipe pipe = small_pipe();
  std::string got;
  std::thread reader{[&] {
    char bytes[512];
    for (ssize_t count = 0; (count = ::read(pipe.read_end.get(), bytes, sizeof bytes)) > 0;)
      got.append(bytes, static_cast<std::size_t>(count));
  }};
  const int error = write_all(pipe.write_end.get(), text);
  pipe.write_end.reset();
  reader.join();
  CHECK(error == 0);
  CHECK(got.size() == text.size());
  CHECK((got == text));
}

TEST_CASE("a reader that goes while a text waits for room ends the writing") {
  const auto before = std::signal(SIGPIPE, SIG_IGN);
  Pipe pipe = small_pipe();
  std::thread reader{[&] {
    char bytes[512];
    CHECK(::read(pipe.read_end.get(), bytes, sizeof bytes) > 0);
    pipe.read_end.reset();
  }};
  CHECK(write_all(pipe.write_end.get(), std::string(16 * kPipeBytes, 'x')) == EPIPE);
  reader.join();
  CHECK(write_all(-1, "x") == EBADF);
  std::signal(SIGPIPE, before);
}
