#include "worker/runtime/crash_handler.hpp"

#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <iterator>
#include <span>

#include "common/check.hpp"
#include "common/launch.hpp"
#include "common/segment/death.hpp"
#include "common/segment/journal.hpp"
#include "worker/runtime/backtrace.hpp"

namespace peeper::worker {
namespace {

// Set once, before the handlers; a signal handler has no other way to its data.
const segment::Segment* own_segment = nullptr;
segment::CrashRecord* record = nullptr;
std::uint32_t own_incarnation = 0;
int own_bell = -1;
pid_t own_pid = 0;
PageGuard* heap_guard = nullptr;
std::span<std::byte> heap;
const segment::Atomic64* heap_reserved = nullptr;
thread_local bool is_callback_thread = false;

// The thread that this process dies of, from the moment on that this is decided; 0: it lives. Not
// in the segment, where a wild write might hit it.
std::atomic<pid_t> dying{0};
static_assert(std::atomic<pid_t>::is_always_lock_free);

constexpr std::size_t kHandlerStackBytes = 64 * 1024;
// A fault this near to the stack pointer is the stack's own: it ran into its guard.
constexpr std::uint64_t kNearStack = 128 * 1024;

std::uint64_t stack_pointer(const void* context) {
  [[maybe_unused]] const auto& machine = static_cast<const ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
  return static_cast<std::uint64_t>(machine.gregs[REG_RSP]);
#elif defined(__aarch64__)
  return machine.sp;
#else
  return 0;
#endif
}

Interrupted interrupted(const void* context) {
  [[maybe_unused]] const auto& machine = static_cast<const ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
  return {static_cast<std::uintptr_t>(machine.gregs[REG_RIP]), stack_pointer(context)};
#elif defined(__aarch64__)
  return {machine.pc, machine.sp};
#else
  return {0, 0};
#endif
}

void complete(segment::CrashKind kind) {
  record->kind = kind;
  segment::compiler_fence();
  record->incarnation.store(own_incarnation, std::memory_order_release);
}

segment::FaultHint hint_of(int signal, const siginfo_t* info, const void* context) {
  if (signal != SIGSEGV || info->si_code <= 0) return segment::FaultHint::kNone;
  const auto address = reinterpret_cast<std::uint64_t>(info->si_addr);
  if (address - stack_pointer(context) + kNearStack < 2 * kNearStack)
    return segment::FaultHint::kStackOverflow;
  // Beyond what has memory nothing can be read either: that is no write that came at a bad time.
  const auto begin = reinterpret_cast<std::uint64_t>(heap.data());
  const std::uint64_t reserved = heap_reserved->load(std::memory_order_relaxed);
  if (info->si_code == SEGV_ACCERR && address - begin < std::min(reserved, heap.size()))
    return heap_guard != nullptr && heap_guard->lacks_room() ? segment::FaultHint::kNoJournal
                                                             : segment::FaultHint::kHeapWrite;
  return segment::FaultHint::kNone;
}

enum class End {
  kAlreadyTold,  // this thread was here before: a signal while it died
  kMayWrite,     // the segment may be written until the process has gone, but nothing is committed
  kCannotWrite,  // nothing of the segment but the crash record can be written any more
};

// The first thread that comes here is what the process dies of; all others wait here for the end.
// Pages are made writable by the callback thread alone. So if it is the one that dies, they stay as
// they are; another one could not keep it from opening the next page.
End begin_to_die() {
  pid_t first = 0;
  if (dying.compare_exchange_strong(first, ::gettid())) {
    if (is_callback_thread && own_segment->forbid_writes()) return End::kCannotWrite;
    own_segment->forbid_commits();
    return End::kMayWrite;
  }
  while (first != ::gettid()) ::pause();
  return End::kAlreadyTold;
}

// Has the process descriptors beside its standard ones, bell, leash and line? Those the kernel gives out
// first are looked at; a process that has others has, or had, them too.
bool holds_descriptors() {
  constexpr int kFirst =
      std::max({STDERR_FILENO, launch::kBellFd, launch::kLeashFd, launch::kLineFd}) + 1;
  pollfd looked_at[252];
  for (int i = 0; pollfd& one : looked_at) one = {kFirst + i++, 0, 0};
  if (::poll(looked_at, std::size(looked_at), 0) < 0) return true;
  return std::any_of(std::begin(looked_at), std::end(looked_at),
                     [](const pollfd& one) { return one.revents != POLLNVAL; });
}

// After the record is complete. The kernel lets go of the claim only once it has torn down this
// process's memory, which takes the longer the more of the state was touched. Who can't write any
// more need not wait for that, and tells the daemon so. But a port that a callback has bound, or a
// file that it has locked, is let go of later still, and the next worker may want it: so not then.
void let_the_next_begin(End end) {
  if (end != End::kCannotWrite || holds_descriptors()) return;
  own_segment->release_claim();
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(own_bell, &one, sizeof one);
  // Nobody waits for the rest of this process, and the daemon that was just woken stands behind it on
  // the same processor: it would wait until all is torn down. So they go first.
  constexpr timespec kGoFirst{0, 2'000'000};
  ::nanosleep(&kGoFirst, nullptr);
  ::setpriority(PRIO_PROCESS, 0, 19);
}

// Of `signal`, with all that was said of it, for the core and for a tracer. A fault would not
// always happen again: its page may be writable by now, and what seccomp or a memory error has
// reported is over. So the signal is sent anew, and the context that the handler returns to lets
// no other one in: it hits before the next instruction.
void die_of(int signal, siginfo_t* info, void* context) {
  if (::syscall(SYS_rt_tgsigqueueinfo, ::getpid(), ::gettid(), signal, info) != 0)
    ::kill(::getpid(), SIGKILL);
  struct sigaction by_default {};
  by_default.sa_handler = SIG_DFL;
  ::sigaction(signal, &by_default, nullptr);
  // The kernel's own set, shorter than the C library's: behind it lies something else.
  constexpr std::size_t kSignalSetBytes = 8;
  sigset_t& mask = static_cast<ucontext_t*>(context)->uc_sigmask;
  std::memset(&mask, 0xff, kSignalSetBytes);
  ::sigdelset(&mask, signal);
}

// All signals are blocked in here.
void on_fatal_signal(int signal, siginfo_t* info, void* context) {
  if (signal == SIGSEGV && info->si_code == SEGV_ACCERR && is_callback_thread &&
      heap_guard != nullptr && dying.load(std::memory_order_relaxed) == 0) {
    const int kept_errno = errno;
    const bool allowed = heap_guard->on_fault(info->si_addr);
    errno = kept_errno;
    if (allowed) return;
  }
  // A child that a callback forked has the handler too, but no part in the record: it doesn't see
  // the segment or, after vfork, sees its parent's.
  const bool is_ours = ::getpid() == own_pid;
  if (const End end = is_ours ? begin_to_die() : End::kAlreadyTold; end != End::kAlreadyTold) {
    record->signal = signal;
    record->code = info->si_code;
    record->address = reinterpret_cast<std::uint64_t>(info->si_addr);
    record->hint = hint_of(signal, info, context);
    record->text_bytes = 0;
    complete(segment::CrashKind::kSignal);
    // A fault in here ends the process at once, with the record as it is: the signal is blocked.
    capture_backtrace(record->backtrace, interrupted(context));
    let_the_next_begin(end);
  }
  die_of(signal, info, context);
}

}  // namespace

void install_crash_handler(const segment::Segment& segment, std::uint32_t incarnation, int bell) {
  own_segment = &segment;
  record = &segment.crash();
  own_incarnation = incarnation;
  own_bell = bell;
  own_pid = ::getpid();
  record->incarnation.store(0, std::memory_order_relaxed);
  record->backtrace.frames.store(0, std::memory_order_relaxed);
  prepare_backtraces();
  heap = segment.heap();
  heap_reserved = &segment.control().worker.heap_reserved;

  stack_t stack{};
  stack.ss_size = kHandlerStackBytes;
  stack.ss_sp = ::mmap(nullptr, stack.ss_size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  PEEPER_CHECK(stack.ss_sp != MAP_FAILED && ::sigaltstack(&stack, nullptr) == 0,
               "no stack for the crash handler");
  struct sigaction action {};
  action.sa_sigaction = on_fatal_signal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  ::sigfillset(&action.sa_mask);
  for (const int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS, SIGTRAP})
    PEEPER_CHECK(::sigaction(signal, &action, nullptr) == 0, "no handler for fatal signals");
}

void guard_heap(PageGuard& guard) {
  heap_guard = &guard;
  is_callback_thread = true;
}

void die(segment::CrashKind kind, std::string_view text) {
  const End end = begin_to_die();
  const std::size_t bytes = std::min(text.size(), sizeof record->text);
  std::memcpy(record->text, text.data(), bytes);
  record->text_bytes = static_cast<std::uint32_t>(bytes);
  record->signal = 0;
  write_thrown(record->backtrace);
  complete(kind);
  let_the_next_begin(end);
  ::_exit(kind == segment::CrashKind::kRefused ? segment::kExitRefused : segment::kExitException);
}

}  // namespace peeper::worker
