#include "traced.hpp"

#include <elf.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <sstream>
#include <utility>

#include "common/unique_fd.hpp"
#include "require.hpp"

namespace peeper::test {
namespace {

constexpr int kInheritedFd = 3;
constexpr unsigned long kAsk = 0xFFFF'FFFF;

user_regs_struct registers_of(int pid) {
  user_regs_struct registers{};
  iovec place{&registers, sizeof registers};
  require(::ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &place) == 0, "no registers");
  return registers;
}

// Of what this process starts from now on.
bool fix_addresses() {
  return ::personality(static_cast<unsigned long>(::personality(kAsk)) | ADDR_NO_RANDOMIZE) >= 0;
}

// What stops a program where it is written: the low bytes of a word.
#if defined(__x86_64__)
constexpr std::uint64_t kBreak = 0xCC;
constexpr std::uint64_t kBreakMask = 0xFF;
#elif defined(__aarch64__)
constexpr std::uint64_t kBreak = 0xD420'0000;
constexpr std::uint64_t kBreakMask = 0xFFFF'FFFF;
#else
#error "how is a program of this machine stopped, and which registers are which?"
#endif

}  // namespace

Traced::Traced(const std::vector<std::string>& command, int fd) {
  std::vector<char*> arguments;
  for (const std::string& argument : command)
    arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  // Above its place there, so that dup2 always makes a new one, without close-on-exec.
  const UniqueFd inherited{::fcntl(fd, F_DUPFD_CLOEXEC, kInheritedFd + 1)};
  require(static_cast<bool>(inherited), "no descriptor to hand down");
  const int parent = ::getpid();
  pid_ = ::fork();
  require(pid_ >= 0, "no fork");
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(126);
    fix_addresses();
    if (::dup2(inherited.get(), kInheritedFd) < 0) ::_exit(126);
    if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(126);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }
  require(::waitpid(pid_, &status_, 0) == pid_, "no child to wait for");
  ended_ = !WIFSTOPPED(status_);
  require(!ended_, command[0] + " can't be started, or not be traced, on this machine");
  constexpr int kOptions = PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD;
  require(::ptrace(PTRACE_SETOPTIONS, pid_, nullptr, kOptions) == 0,
          "this machine does not let a test trace its child");
  hide_time_page();
}

// Its parent is not told of its end before this has been told.
Traced::Traced(int pid) : pid_(pid) {
  constexpr int kOptions = PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD;
  require(::ptrace(PTRACE_SEIZE, pid_, nullptr, kOptions) == 0,
          "this machine does not let a test trace what its children started");
  require(::ptrace(PTRACE_INTERRUPT, pid_, nullptr, nullptr) == 0, "it can't be stopped");
  require(::waitpid(pid_, &status_, 0) == pid_, "no process to wait for");
  ended_ = !WIFSTOPPED(status_);
}

// The kernel's notes to the program lie on the stack, behind its arguments and its environment.
void Traced::hide_time_page() {
  std::uint64_t at = registers().stack + sizeof(long);
  for (int list = 0; list < 2; ++list) {
    while (peek(at) != 0) at += sizeof(long);
    at += sizeof(long);
  }
  for (; peek(at) != AT_NULL; at += 2 * sizeof(long))
    if (peek(at) == AT_SYSINFO_EHDR) poke(at, AT_IGNORE);
}

std::uint64_t Traced::peek(std::uint64_t address) const {
  errno = 0;
  const long word = ::ptrace(PTRACE_PEEKDATA, pid_, address, nullptr);
  require(errno == 0, "the traced program has no such memory");
  return static_cast<std::uint64_t>(word);
}

void Traced::poke(std::uint64_t address, std::uint64_t value) {
  require(::ptrace(PTRACE_POKEDATA, pid_, address, value) == 0,
          "the traced program can't be changed");
}

Traced::~Traced() { kill(); }

int Traced::kill() {
  if (!ended_) {
    ::kill(pid_, SIGKILL);
    do {
      ::waitpid(pid_, &status_, 0);
    } while (WIFSTOPPED(status_));
    ended_ = true;
  }
  return status_;
}

Traced::Stop Traced::go_on(int request) {
  const auto how = static_cast<__ptrace_request>(request);
  require(!ended_ && ::ptrace(how, pid_, nullptr, std::exchange(signal_, 0)) == 0,
          "the traced program is gone");
  require(::waitpid(pid_, &status_, 0) == pid_, "no child to wait for");
  ended_ = !WIFSTOPPED(status_);
  if (ended_) return Stop::kEnded;
  const int stop = WSTOPSIG(status_);
  if (stop == (SIGTRAP | 0x80)) return Stop::kSyscall;
  if (stop == SIGTRAP) return Stop::kTrap;
  signal_ = stop;
  if (stop == SIGSEGV) ++faults_;
  return Stop::kSignal;
}

void Traced::run_until(const std::function<bool(std::uint64_t, std::uint64_t)>& wanted) {
  while (true) {
    const Stop stop = go_on(PTRACE_SYSCALL);
    require(stop != Stop::kEnded,
            "the traced program ended with status " + std::to_string(status_));
    if (stop != Stop::kSyscall) continue;
    __ptrace_syscall_info info{};
    require(::ptrace(PTRACE_GET_SYSCALL_INFO, pid_, sizeof info, &info) > 0, "no system call");
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY && wanted(info.entry.nr, info.entry.args[0])) return;
  }
}

void Traced::run_to_fault() {
  const std::uint64_t before = faults_;
  while (faults_ == before)
    require(go_on(PTRACE_CONT) != Stop::kEnded,
            "the traced program ended with status " + std::to_string(status_));
}

void Traced::run_to(std::uint64_t address) {
  const std::uint64_t word = peek(address);
  poke(address, (word & ~kBreakMask) | kBreak);
  Stop stop{};
  do {
    stop = go_on(PTRACE_CONT);
    require(stop != Stop::kEnded,
            "the traced program ended with status " + std::to_string(status_));
  } while (stop != Stop::kTrap);
  poke(address, word);
#if defined(__x86_64__)
  user_regs_struct now = registers_of(pid_);
  now.rip = address;  // it is past the byte that stopped it
  iovec place{&now, sizeof now};
  require(::ptrace(PTRACE_SETREGSET, pid_, NT_PRSTATUS, &place) == 0, "no registers");
#endif
}

bool Traced::step() {
  while (true) {
    switch (go_on(PTRACE_SINGLESTEP)) {
      case Stop::kTrap: return true;
      case Stop::kEnded: return false;
      case Stop::kSyscall:
      case Stop::kSignal: break;  // nothing has been executed
    }
  }
}

bool Traced::has_fixed_addresses() {
#ifdef PEEPER_SANITIZED
  return false;
#else
  const auto before = static_cast<unsigned long>(::personality(kAsk));
  const bool has = fix_addresses();
  ::personality(before);
  return has;
#endif
}

Registers Traced::registers() const {
  const user_regs_struct all = registers_of(pid_);
#if defined(__x86_64__)
  return {all.rip, all.rsp};
#elif defined(__aarch64__)
  return {all.pc, all.sp};
#endif
}

std::uint64_t Traced::return_address() const {
#if defined(__x86_64__)
  return peek(registers().stack);  // pushed by the call
#elif defined(__aarch64__)
  return registers_of(pid_).regs[30];
#endif
}

CodeRange Traced::code_of(const std::string& file) const {
  std::ifstream maps{"/proc/" + std::to_string(pid_) + "/maps"};
  for (std::string line; std::getline(maps, line);) {
    if (line.find(" r-xp ") == std::string::npos || !line.ends_with(file)) continue;
    CodeRange range;
    char dash = 0;
    std::istringstream{line} >> std::hex >> range.begin >> dash >> range.end;
    return range;
  }
  require(false, "the traced program has no code of " + file);
  return {};
}

}  // namespace peeper::test
