#include "common/segment/death.hpp"

#include <strings.h>
#include <sys/wait.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstring>

#include "common/limits.hpp"

namespace peeper::segment {
namespace {

std::string hexadecimal(std::uint64_t value) {
  char digits[20];
  const char* end = std::to_chars(digits, digits + sizeof digits, value, 16).ptr;
  return "0x" + std::string(digits, static_cast<std::size_t>(end - digits));
}

// Only for these does the kernel say an address; a signal sent by kill(2) has none.
bool is_fault(int signal, int code) {
  return code > 0 &&
         (signal == SIGSEGV || signal == SIGBUS || signal == SIGILL || signal == SIGFPE);
}

}  // namespace

CrashReport read_crash(const CrashRecord& record, std::uint32_t incarnation) {
  CrashReport report;
  if (record.incarnation.load(std::memory_order_acquire) != incarnation) return report;
  const auto kind = static_cast<std::uint32_t>(record.kind);
  if (kind < 1 || kind > 3) return report;
  report.kind = static_cast<CrashKind>(kind);
  report.signal = record.signal;
  report.address = record.address;
  report.has_address = is_fault(record.signal, record.code);
  report.hint = record.hint;
  const std::size_t bytes = std::min<std::size_t>(record.text_bytes, sizeof record.text);
  report.text = printable({record.text, bytes}, limits::kCrashTextBytes);
  return report;
}

std::string describe(const Death& death, const CrashReport& report) {
  if (death.observed == Observed::kNobodySaw) return "died while no daemon watched";
  if (death.observed == Observed::kHung)
    return "HUNG for more than " + std::to_string(death.allowed_ms) + " ms";
  if (death.observed == Observed::kOom) return "OOM: killed by the kernel for want of memory";
  if (WIFSIGNALED(death.wait_status)) {
    const int signal = WTERMSIG(death.wait_status);
    std::string text = signal_name(signal);
    if (report.kind == CrashKind::kSignal && report.signal == signal && report.has_address) {
      text += " at " + hexadecimal(report.address);
      if (report.hint == FaultHint::kStackOverflow) text += " (stack overflow)";
      if (report.hint == FaultHint::kHeapWrite)
        text += " (write to the state outside of a message, from another thread or by a callback "
                "that gets it const)";
      if (report.hint == FaultHint::kNoJournal)
        text += " (/dev/shm has no room for what undoes so large a change; make room there: "
                "df -h /dev/shm)";
    }
    return text;
  }
  const int status = WEXITSTATUS(death.wait_status);
  const bool said_so = (report.kind == CrashKind::kException && status == kExitException) ||
                       (report.kind == CrashKind::kRefused && status == kExitRefused);
  if (said_so) return report.text.empty() ? "an exception without a text" : report.text;
  return "exit status " + std::to_string(status);
}

bool is_refusal(const Death& death, const CrashReport& report) {
  return death.observed == Observed::kSeen && WIFEXITED(death.wait_status) &&
         WEXITSTATUS(death.wait_status) == kExitRefused && report.kind == CrashKind::kRefused;
}

std::string signal_name(int signal) {
  if (const char* name = ::sigabbrev_np(signal)) return std::string("SIG") + name;
  return "signal " + std::to_string(signal);
}

int signal_number(std::string_view name) {
  int number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error == std::errc{} && end == name.data() + name.size())
    return number > 0 && number < NSIG ? number : 0;
  std::string wanted(name);
  if (wanted.size() > 3 && ::strncasecmp(wanted.c_str(), "SIG", 3) == 0) wanted.erase(0, 3);
  for (int signal = 1; signal < NSIG; ++signal) {
    const char* known = ::sigabbrev_np(signal);
    if (known != nullptr && ::strcasecmp(known, wanted.c_str()) == 0) return signal;
  }
  return 0;
}

std::string printable(std::string_view bytes, std::size_t most) {
  std::string text(bytes.substr(0, most));
  std::replace_if(text.begin(), text.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return text;
}

}  // namespace peeper::segment
