#include "worker/runtime/backtrace.hpp"

#include <dlfcn.h>
#include <link.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/stacktrace/safe_dump_to.hpp>
#include <cstring>
#include <exception>
#include <span>
#include <typeinfo>

#include "common/check.hpp"

namespace peeper::worker {
namespace {

using segment::Backtrace;

// The handler's own frames come first and are cut off.
constexpr std::size_t kMostRaw = segment::kMostFrames + 16;
using Raw = std::array<const void*, kMostRaw + 1>;

// Set once. The program's own file has no name in the list of what is loaded.
char own_program[sizeof Backtrace::module[0]];

std::span<const void* const> take_frames(Raw& raw) {
  const std::size_t count = boost::stacktrace::safe_dump_to(raw.data(), sizeof raw);
  return {raw.data(), count == 0 ? 0 : count - 1};  // it counts the zero behind the last
}

// Ready for the frames of one backtrace. Of signal handlers: _dl_find_object may be called there.
class Writer {
 public:
  explicit Writer(Backtrace& backtrace) : backtrace_(backtrace) {
    backtrace_.frames.store(0, std::memory_order_relaxed);
    backtrace_.modules = 0;
    backtrace_.exact = 0;
  }

  // False if nothing is known of what lies there.
  bool add(std::uintptr_t address, bool exact) {
    if (count_ == segment::kMostFrames) return false;
    if (count_ == 0 && exact) backtrace_.exact = 1;
    segment::Frame& frame = backtrace_.frame[count_];
    frame = {address, 0, 0};
    dl_find_object object{};
    // A call may be a function's last instruction, and return behind it.
    const std::uintptr_t within = exact ? address : address - 1;
    const bool known = ::_dl_find_object(reinterpret_cast<void*>(within), &object) == 0;
    if (known) {
      frame.module = number_of(object.dlfo_link_map->l_name);
      if (frame.module != 0) frame.offset = address - object.dlfo_link_map->l_addr;
    }
    backtrace_.frames.store(++count_, std::memory_order_release);
    return known;
  }

 private:
  // From 1; 0: there are too many.
  std::uint32_t number_of(const char* path) {
    if (path == nullptr || *path == '\0') path = own_program;
    for (std::uint32_t i = 0; i < backtrace_.modules; ++i)
      if (std::strncmp(backtrace_.module[i], path, sizeof backtrace_.module[i]) == 0) return i + 1;
    if (backtrace_.modules == segment::kMostModules) return 0;
    char(&field)[sizeof own_program] = backtrace_.module[backtrace_.modules];
    const std::size_t bytes = std::min(std::strlen(path) + 1, sizeof field);
    std::memcpy(field, path, bytes);
    return ++backtrace_.modules;
  }

  Backtrace& backtrace_;
  std::uint32_t count_ = 0;
};

// --- Exceptions ----------------------------------------------------------------------------------

// The last throw of each thread.
struct Thrown {
  const void* exception = nullptr;
  std::size_t count = 0;
  std::array<const void*, segment::kMostFrames> frames{};
};
thread_local Thrown last_thrown;
Thrown kept_thrown;

using Throw = void (*)(void*, std::type_info*, void (*)(void*));
std::atomic<Throw> library_throw{nullptr};

Throw find_library_throw() {
  Throw found = library_throw.load(std::memory_order_acquire);
  if (found != nullptr) return found;
  found = reinterpret_cast<Throw>(::dlsym(RTLD_NEXT, "__cxa_throw"));
  PEEPER_CHECK(found != nullptr, "the C++ library has no __cxa_throw");
  library_throw.store(found, std::memory_order_release);
  return found;
}

// From where it returns to on.
void note_throw(const void* exception, const void* returns_to) {
  Raw raw;
  const auto frames = take_frames(raw);
  const auto first = std::ranges::find(frames, returns_to);
  last_thrown.exception = exception;
  last_thrown.count =
      std::min<std::size_t>(static_cast<std::size_t>(frames.end() - first), segment::kMostFrames);
  std::copy_n(first, last_thrown.count, last_thrown.frames.begin());
}

}  // namespace

void prepare_backtraces() {
  if (own_program[0] != '\0') return;
  const ssize_t bytes = ::readlink("/proc/self/exe", own_program, sizeof own_program - 1);
  own_program[std::max<ssize_t>(bytes, 0)] = '\0';
  find_library_throw();
  Raw raw;
  [[maybe_unused]] const auto frames = take_frames(raw);
}

void capture_backtrace(Backtrace& backtrace, Interrupted at) {
  Writer writer{backtrace};
  const bool known = writer.add(at.instruction, true);
  Raw raw;
  const auto frames = take_frames(raw);
  auto next = std::ranges::find(frames, reinterpret_cast<const void*>(at.instruction));
  if (next != frames.end()) ++next;
  for (; next != frames.end(); ++next)
    writer.add(reinterpret_cast<std::uintptr_t>(*next), false);
#if defined(__x86_64__)
  // A call to where no code is: nobody can unwind from there, but the stack says who called.
  if (!known && at.stack != 0)
    writer.add(*reinterpret_cast<const volatile std::uintptr_t*>(at.stack), false);
#endif
  (void)known;
}

void keep_thrown() {
  // What is thrown is the one thing that an exception_ptr holds.
  const std::exception_ptr current = std::current_exception();
  const void* exception = nullptr;
  static_assert(sizeof current == sizeof exception);
  std::memcpy(static_cast<void*>(&exception), static_cast<const void*>(&current),
              sizeof exception);
  if (exception != nullptr && exception == last_thrown.exception) kept_thrown = last_thrown;
}

void write_thrown(Backtrace& backtrace) {
  Writer writer{backtrace};
  for (std::size_t i = 0; i < kept_thrown.count; ++i)
    writer.add(reinterpret_cast<std::uintptr_t>(kept_thrown.frames[i]), false);
}

}  // namespace peeper::worker

// In place of the C++ library's, for the program and for all that it loads.
extern "C" [[noreturn]] __attribute__((visibility("default"))) void __cxa_throw(
    void* exception, std::type_info* type, void (*destroy)(void*)) {
  peeper::worker::note_throw(exception, __builtin_return_address(0));
  peeper::worker::find_library_throw()(exception, type, destroy);
  __builtin_unreachable();
}
