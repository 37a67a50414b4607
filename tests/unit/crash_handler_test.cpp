// The handler of fatal signals, in a child that the test traces: it sees each signal, and what is
// said of it, before the child does.
#include "worker/runtime/crash_handler.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "common/launch.hpp"
#include "common/unique_fd.hpp"
#include "segment_fixture.hpp"

using namespace peeper;
using peeper::test::TestSegment;

namespace {

constexpr std::uint32_t kIncarnation = 1;
using Page = volatile char;

// What test and child tell each other beside the segment: each raises, and waits for the other's.
struct Steps {
  std::atomic<int> step{0};
  std::atomic<std::uint64_t> address{0};
  std::atomic<pid_t> other{0};  // the child's second thread

  void reach(int number) { step.store(number); }
  void wait_for(int number) const {
    while (step.load() < number) std::this_thread::yield();
  }
};

// Only its main thread is traced. Killed at the end.
class Victim {
 public:
  // `life(worker's segment, steps)` in a child, its crash handler installed. It then exits with 0:
  // it has survived.
  template <class Life>
  Victim(TestSegment& made, Life life)
      : steps(*::new (::mmap(nullptr, sizeof(Steps), PROT_READ | PROT_WRITE,
                             MAP_SHARED | MAP_ANONYMOUS, -1, 0)) Steps) {
    REQUIRE(made.segment.keep_to_this_process().has_value());
    child_ = ::fork();
    REQUIRE(child_ >= 0);
    if (child_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      auto segment = segment::Segment::open(made.id, segment::View::kWhole);
      if (!segment || !segment->claim_releasably(segment::Role::kWorker)) ::_exit(2);
      segment->close_descriptor();
      if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(2);
      ::dup2(bell_.get(), launch::kBellFd);
      ::dup2(bell_.get(), launch::kLeashFd);
      ::dup2(bell_.get(), launch::kLineFd);
      ::close_range(launch::kLineFd + 1, ~0U, 0);  // as the daemon starts it
      worker::install_crash_handler(*segment, kIncarnation, launch::kBellFd);
      ::raise(SIGSTOP);
      life(*segment, steps);
      ::_exit(0);
    }
    REQUIRE(::waitpid(child_, &status_, 0) == child_);
    REQUIRE_MESSAGE(WIFSTOPPED(status_), "this machine does not let a test trace its child");
  }
  ~Victim() {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
    ::munmap(&steps, sizeof steps);
  }
  Victim(const Victim&) = delete;
  Victim& operator=(const Victim&) = delete;

  // Until a signal is about to be delivered, after that of before was. False: it has ended.
  bool run_to_signal() { return go_on(PTRACE_CONT); }
  // One instruction, or the delivery of a signal. False: it has ended.
  bool step() { return go_on(PTRACE_SINGLESTEP); }
  [[nodiscard]] siginfo_t signal() const {
    siginfo_t info{};
    REQUIRE(::ptrace(PTRACE_GETSIGINFO, child_, nullptr, &info) == 0);
    return info;
  }
  // Until its second thread is asleep, or has ended.
  void wait_for_sleep() const {
    const std::string file = "/proc/" + std::to_string(child_) + "/task/" +
                             std::to_string(steps.other.load()) + "/stat";
    while (true) {
      std::string text;
      std::getline(std::ifstream{file}, text);
      const std::size_t name_end = text.rfind(") ");
      if (name_end == std::string::npos || std::strchr("SZX", text[name_end + 2])) return;
      std::this_thread::yield();
    }
  }
  // Has it rung the daemon's bell, since the last call?
  [[nodiscard]] bool has_rung() const {
    std::uint64_t rings = 0;
    return ::read(bell_.get(), &rings, sizeof rings) == sizeof rings;
  }
  // Which parts of the segment it can write, by their offsets in it.
  [[nodiscard]] std::vector<std::uint64_t> writable(const TestSegment& made) const {
    std::ifstream maps{"/proc/" + std::to_string(child_) + "/maps"};
    std::vector<std::uint64_t> offsets;
    for (std::string line; std::getline(maps, line);) {
      std::uint64_t offset = 0;
      char write = '-';
      if (line.ends_with(made.id.path()) &&
          std::sscanf(line.c_str(), "%*s r%c%*s %lx", &write, &offset) == 2 && write == 'w')
        offsets.push_back(offset);
    }
    return offsets;
  }
  // The signal it died of; 0: it didn't.
  [[nodiscard]] int killed_by() const { return WIFSIGNALED(status_) ? WTERMSIG(status_) : 0; }

  Steps& steps;

 private:
  bool go_on(__ptrace_request how) {
    const int delivered = WSTOPSIG(status_) == SIGSTOP || WSTOPSIG(status_) == SIGTRAP
                              ? 0
                              : WSTOPSIG(status_);
    REQUIRE(::ptrace(how, child_, nullptr, static_cast<std::intptr_t>(delivered)) == 0);
    REQUIRE(::waitpid(child_, &status_, 0) == child_);
    return WIFSTOPPED(status_);
  }

  UniqueFd bell_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  pid_t child_ = -1;
  int status_ = 0;
};

// Lets the next getppid(2) raise SIGSYS.
void forbid_getppid() {
  std::array<sock_filter, 4> code{
      sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
      sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
      sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  const sock_fprog program{code.size(), code.data()};
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) ::_exit(3);
}

// As the kernel tells a process of memory that it lost, and that the process may not even use.
void report_lost_memory(void* address) {
  siginfo_t info{};
  info.si_signo = SIGBUS;
  info.si_code = BUS_MCEERR_AO;
  info.si_addr = address;
  ::syscall(SYS_rt_tgsigqueueinfo, ::getpid(), ::gettid(), SIGBUS, &info);
}

// A page of the heap, opened as a message opens it, and one of the journal behind it.
void open_a_page(const segment::Segment& segment) {
  auto& transaction = *new segment::Transaction{segment};
  auto& guard = *new worker::PageGuard{segment, transaction.journal(), worker::kNeverHot};
  worker::guard_heap(guard);
  transaction.begin(segment::Channel::kInit, 0, 1);
  guard.begin_message(worker::PageGuard::Access::kWrites);
  *reinterpret_cast<Page*>(segment.heap().data()) = 'w';
}

Page* as_page(const segment::Segment& segment, std::size_t number) {
  return reinterpret_cast<Page*>(segment.heap().data() + number * segment::kPageBytes);
}

}  // namespace

TEST_CASE("a fatal signal kills once it was recorded, also one that does not happen again") {
  struct Way {
    int signal;
    int code;
    void* address;
    void (*happen)(void* address);
  };
  static char somewhere = 0;
  const Way ways[] = {
      {SIGSYS, 1, nullptr, [](void*) { forbid_getppid(), ::syscall(SYS_getppid); }},
      {SIGBUS, BUS_MCEERR_AO, &somewhere, report_lost_memory},
      {SIGSEGV, SEGV_MAPERR, reinterpret_cast<void*>(16),
       [](void* address) { *static_cast<Page*>(address) = 'w'; }},
      {SIGSEGV, SI_TKILL, nullptr, [](void*) { ::raise(SIGSEGV); }},
      {SIGABRT, SI_TKILL, nullptr, [](void*) { std::abort(); }},
      {SIGFPE, SI_USER, nullptr, [](void*) { ::kill(::getpid(), SIGFPE); }},
  };
  for (const Way& way : ways) {
    CAPTURE(way.signal);
    CAPTURE(way.code);
    TestSegment made;
    Victim victim{made, [&](const segment::Segment&, Steps&) { way.happen(way.address); }};
    std::vector<siginfo_t> told;
    while (victim.run_to_signal()) told.push_back(victim.signal());
    CHECK(victim.killed_by() == way.signal);

    // Once for the handler, once to die of: the same in each respect.
    REQUIRE(told.size() == 2);
    for (const siginfo_t& info : told) {
      CHECK(info.si_signo == way.signal);
      CHECK(info.si_code == way.code);
      if (way.code > 0 && way.signal != SIGSYS) CHECK(info.si_addr == way.address);
    }
    const segment::CrashRecord& record = made.segment.crash();
    CHECK(record.incarnation.load() == kIncarnation);
    CHECK(record.kind == segment::CrashKind::kSignal);
    CHECK(record.signal == way.signal);
    CHECK(record.code == way.code);
  }
}

TEST_CASE("a stray write kills though its page is writable by then, and nothing is committed") {
  TestSegment made;
  Victim victim{made, [](const segment::Segment& segment, Steps& steps) {
    steps.address.store(reinterpret_cast<std::uint64_t>(as_page(segment, 1)));
    std::thread callback{[&] {
      steps.other.store(::gettid());
      segment::Transaction transaction{segment};
      worker::PageGuard guard{segment, transaction.journal(), worker::kNeverHot};
      worker::guard_heap(guard);
      transaction.begin(segment::Channel::kInit, 0, 1);
      guard.begin_message(worker::PageGuard::Access::kWrites);
      steps.reach(1);
      steps.wait_for(2);  // the other thread's write has faulted
      *as_page(segment, 1) = 'c';
      steps.reach(3);
      steps.wait_for(4);  // its crash is recorded
      transaction.commit(0);
    }};
    steps.wait_for(1);
    *as_page(segment, 1) = 's';
    callback.join();  // it has survived
  }};
  REQUIRE(victim.run_to_signal());
  siginfo_t info = victim.signal();
  CHECK(info.si_signo == SIGSEGV);
  victim.steps.reach(2);
  victim.steps.wait_for(3);
  // The callback thread has all the time until the other one dies.
  while (made.segment.crash().incarnation.load() != kIncarnation) REQUIRE(victim.step());
  victim.steps.reach(4);
  victim.wait_for_sleep();
  while (victim.run_to_signal()) info = victim.signal();
  CHECK(victim.killed_by() == SIGSEGV);
  CHECK(reinterpret_cast<std::uint64_t>(info.si_addr) == victim.steps.address.load());
  CHECK(made.segment.crash().address == victim.steps.address.load());
  CHECK(made.segment.crash().hint == segment::FaultHint::kHeapWrite);
  CHECK(made.segment.control().committed.load() == 0);
}

TEST_CASE("of two threads that crash at once the first is what the process dies of") {
  TestSegment made;
  Victim victim{made, [](const segment::Segment&, Steps& steps) {
    std::thread other{[&] {
      steps.other.store(::gettid());
      steps.reach(1);
      steps.wait_for(2);
      ::raise(SIGFPE);
    }};
    steps.wait_for(1);
    *reinterpret_cast<Page*>(16) = 'w';
    other.join();
  }};
  REQUIRE(victim.run_to_signal());
  // In the middle of its record.
  const segment::CrashRecord& record = made.segment.crash();
  while (record.signal == 0) REQUIRE(victim.step());
  CHECK(record.incarnation.load() == 0);
  victim.steps.reach(2);
  victim.wait_for_sleep();
  while (victim.run_to_signal()) continue;
  CHECK(victim.killed_by() == SIGSEGV);
  CHECK(record.signal == SIGSEGV);
  CHECK(record.address == 16);
}

TEST_CASE("a claim is free only when nothing can be written and the record is complete") {
  TestSegment made;
  Victim victim{made, [](const segment::Segment& segment, Steps&) {
    open_a_page(segment);
    *reinterpret_cast<Page*>(16) = 'w';
  }};
  REQUIRE(victim.run_to_signal());  // the first write
  REQUIRE(victim.run_to_signal());
  CHECK(victim.writable(made).size() > 1);
  // Killed or stopped after any instruction it would stay as it is then.
  const segment::CrashRecord& record = made.segment.crash();
  int held = 0;
  int free = 0;
  bool has_rung = false;
  while (victim.step()) {
    if (made.segment.is_claimed(segment::Role::kWorker)) {
      ++held;
      CHECK_FALSE(has_rung);
    } else if (++free == 1) {
      CHECK(record.incarnation.load() == kIncarnation);
      CHECK(victim.writable(made) == std::vector<std::uint64_t>{segment::kCrashOffset});
    } else if (free % 16 == 0) {
      CHECK(victim.writable(made) == std::vector<std::uint64_t>{segment::kCrashOffset});
    }
    has_rung = has_rung || victim.has_rung();
  }
  CHECK(held > 10);
  CHECK(free > 10);
  CHECK(has_rung);
  CHECK(victim.killed_by() == SIGSEGV);
}

TEST_CASE("a claim goes with the process if another thread died, or a descriptor is open") {
  using Life = void (*)(const segment::Segment&);
  const Life lives[] = {
      [](const segment::Segment& segment) {
        std::thread{[&] { open_a_page(segment); }}.join();
        *reinterpret_cast<Page*>(16) = 'w';
      },
      [](const segment::Segment& segment) {
        open_a_page(segment);
        if (::open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0) *reinterpret_cast<Page*>(16) = 'w';
      }};
  for (const Life life : lives) {
    TestSegment made;
    Victim victim{made, [&](const segment::Segment& segment, Steps&) { life(segment); }};
    bool is_claimed = false;
    while (victim.run_to_signal()) is_claimed = made.segment.is_claimed(segment::Role::kWorker);
    CHECK(is_claimed);  // also as it was about to die
    CHECK(victim.killed_by() == SIGSEGV);
    CHECK_FALSE(victim.has_rung());
    CHECK_FALSE(made.segment.is_claimed(segment::Role::kWorker));
    CHECK(made.segment.crash().address == 16);
  }
}
