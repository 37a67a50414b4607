// How a worker died, and that in one line for the caller, the log and the history.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/segment/crash_layout.hpp"
#include "common/segment/judgement.hpp"

namespace peeper::segment {

// What the daemon knows of it.
struct Death {
  Observed observed = Observed::kNobodySaw;
  int wait_status = 0;            // as from waitpid, where seen
  std::uint32_t incarnation = 0;  // of the worker that died
  std::uint32_t retries = 0;      // of the message in flight, as configured
  std::uint32_t allowed_ms = 0;   // what a callback may take, as configured; where it hung
  bool is_crash = true;           // else it ended in order
  std::string (*name_of)(std::uint32_t pid) = nullptr;  // of a process; empty: it is gone
  std::uint64_t at_ns = 0;        // CLOCK_REALTIME; the same, however often its recovery is begun
};

// A worker's own exit statuses; its record says the rest.
inline constexpr int kExitException = 70;  // EX_SOFTWARE: a callback threw
inline constexpr int kExitRefused = 78;    // EX_CONFIG: it can't run at all

// The record, copied once and checked: bounded text, printable. kind is kNone unless the record is
// of `incarnation`.
struct CrashReport {
  CrashKind kind = CrashKind::kNone;
  int signal = 0;
  std::uint64_t address = 0;
  bool has_address = false;
  FaultHint hint = FaultHint::kNone;
  std::string text;
};
[[nodiscard]] CrashReport read_crash(const CrashRecord& record, std::uint32_t incarnation);

// "SIGSEGV at 0x0", "SIGSEGV at 0x7ffc… (stack overflow)", "std::runtime_error: boom",
// "exit status 3", "SIGKILL", "HUNG for more than 5000 ms", "OOM: killed by …". The wait status
// decides; the record adds what only it can know.
[[nodiscard]] std::string describe(const Death& death, const CrashReport& report);

// Is starting the same worker again useless?
[[nodiscard]] bool is_refusal(const Death& death, const CrashReport& report);

// "SIGSEGV", or "signal 42".
[[nodiscard]] std::string signal_name(int signal);
// 11 for "SIGSEGV", "segv" or "11"; 0 where unknown.
[[nodiscard]] int signal_number(std::string_view name);

// Bytes from outside as they may stand in a log or an error line: what isn't printable ASCII
// becomes '?', at most `most` bytes are kept.
[[nodiscard]] std::string printable(std::string_view bytes, std::size_t most);

}  // namespace peeper::segment
