// Who looks at a segment while another process commits in it: what the tests of pictures and of
// shadows share.
#pragma once

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <vector>

#include "segment_fixture.hpp"

namespace peeper::test {

// Within a transaction that has begun: all of the page is `with`.
inline void overwrite(segment::Transaction& transaction, const segment::Segment& segment,
                      std::uint64_t page, std::uint8_t with) {
  transaction.journal().save(page, 1);
  std::memset(segment.heap().data() + page * segment::kPageBytes, with, segment::kPageBytes);
}

// A transaction that does that and commits.
inline void commit_pages(const segment::Segment& segment,
                         std::initializer_list<std::uint64_t> pages, std::uint8_t with) {
  segment::Transaction transaction{segment};
  transaction.begin(segment::Channel::kStart, 0, 1);
  for (const std::uint64_t page : pages) overwrite(transaction, segment, page, with);
  transaction.commit(transaction.mailbox_head());
}

inline segment::Segment look_at(const TestSegment& made) {
  auto opened = segment::Segment::open(made.id, segment::View::kLook);
  REQUIRE_MESSAGE(opened.has_value(), (opened ? "" : opened.error().what));
  return *std::move(opened);
}

// `Look`: a Picture or a Shadow.
template <typename Look>
bool shows(const Look& look, const std::vector<std::byte>& heap) {
  return look.heap().size() == heap.size() &&
         std::memcmp(look.heap().data(), heap.data(), heap.size()) == 0;
}

// A child that does `work` until this goes, or until the test's process does.
class Beside {
 public:
  explicit Beside(const std::function<void()>& work) {
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    REQUIRE(pid_ >= 0);
    if (pid_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() == parent) work();
    ::_exit(1);
  }
  ~Beside() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Beside(const Beside&) = delete;
  Beside& operator=(const Beside&) = delete;

 private:
  pid_t pid_ = -1;
};

}  // namespace peeper::test
