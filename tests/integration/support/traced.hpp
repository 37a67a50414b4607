// A program under ptrace: it runs until a system call that the test names, or one machine
// instruction at a time, and can be killed between any two.
//
// Its addresses are the same in each run, where the machine allows that, and it asks the kernel for
// the time instead of a page that might have to be read again: so the n-th instruction is as a rule
// the same one in each run. Nothing here needs it to be. Thread: the one that made it.
// Everything here blocks until the program has stopped again; a program that never does is ended by
// CTest's limit, and takes nothing with it: it dies with the test.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace peeper::test {

struct Registers {
  std::uint64_t instruction;
  std::uint64_t stack;
};

// The executable part of one file in a program's memory.
struct CodeRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  [[nodiscard]] bool contains(std::uint64_t address) const {
    return address >= begin && address < end;
  }
};

class Traced {
 public:
  // Stopped before its first instruction. It finds `fd` open as descriptor 3.
  Traced(const std::vector<std::string>& command, int fd);
  // A process that runs already, a descendant of the test; stopped wherever it is.
  explicit Traced(int pid);
  ~Traced();  // kills and reaps
  Traced(const Traced&) = delete;
  Traced& operator=(const Traced&) = delete;

  // Runs until the program is about to make a system call that is `wanted`: number, first argument.
  void run_until(const std::function<bool(std::uint64_t, std::uint64_t)>& wanted);
  // One instruction, or one system call. A signal it gets is delivered, and its handler stepped
  // through as all else. False: the program has ended.
  bool step();
  // Runs until its next page fault, which its handler is about to be told of.
  void run_to_fault();
  // Runs until the instruction at `address` is the next.
  void run_to(std::uint64_t address);
  // SIGKILL. Returns the wait status, of this or of an earlier end.
  int kill();

  // False where the machine, or a sanitizer's allocator, does not let a program have the same
  // addresses in each run.
  static bool has_fixed_addresses();

  [[nodiscard]] Registers registers() const;
  // Where a function returns to whose first instruction comes next.
  [[nodiscard]] std::uint64_t return_address() const;
  [[nodiscard]] CodeRange code_of(const std::string& file) const;
  // Page faults that the program's own handler got.
  [[nodiscard]] std::uint64_t faults() const { return faults_; }

 private:
  enum class Stop { kTrap, kSyscall, kSignal, kEnded };
  Stop go_on(int request);
  void hide_time_page();
  [[nodiscard]] std::uint64_t peek(std::uint64_t address) const;
  void poke(std::uint64_t address, std::uint64_t value);

  int pid_ = -1;
  int status_ = 0;
  bool ended_ = false;
  int signal_ = 0;  // to be delivered when it goes on
  std::uint64_t faults_ = 0;
};

}  // namespace peeper::test
