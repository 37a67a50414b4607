#include "common/segment/history.hpp"

#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <optional>

#include "common/limits.hpp"
#include "common/segment/journal.hpp"
#include "common/segment/message.hpp"

namespace peeper::segment {
namespace {

template <std::size_t N>
std::string text_of(const char (&field)[N]) {
  return printable({field, ::strnlen(field, N)}, N);
}

template <std::size_t N>
void copy_text(char (&field)[N], std::string_view text) {
  const std::size_t bytes = std::min(text.size(), N);
  std::memcpy(field, text.data(), bytes);
  if (bytes < N) field[bytes] = '\0';
}

CrashCause cause_of(const Death& death, const CrashReport& report) {
  if (death.observed == Observed::kNobodySaw) {
    switch (report.kind) {
      case CrashKind::kNone: return CrashCause::kUnseen;
      case CrashKind::kSignal: return CrashCause::kSignal;
      case CrashKind::kException: return CrashCause::kException;
      case CrashKind::kRefused: return CrashCause::kRefused;
    }
  }
  if (death.observed == Observed::kHung) return CrashCause::kHung;
  if (death.observed == Observed::kOom) return CrashCause::kOom;
  if (WIFSIGNALED(death.wait_status)) return CrashCause::kSignal;
  const int status = WEXITSTATUS(death.wait_status);
  if (report.kind == CrashKind::kException && status == kExitException)
    return CrashCause::kException;
  if (report.kind == CrashKind::kRefused && status == kExitRefused) return CrashCause::kRefused;
  return CrashCause::kExit;
}

// --- Places --------------------------------------------------------------------------------------

// FNV-1a: the same in every build.
class Hash {
 public:
  void add(std::string_view bytes) {
    for (const char c : bytes) value_ = (value_ ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  void add(std::uint64_t number) {
    char bytes[sizeof number];
    std::memcpy(bytes, &number, sizeof number);
    add(std::string_view{bytes, sizeof bytes});
  }
  [[nodiscard]] std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 0xcbf29ce484222325;
};

// abort() and operator new are not where somebody's mistake is.
bool is_of_the_system(std::string_view module) {
  const std::string_view file = module.substr(module.rfind('/') + 1);
  static constexpr std::string_view kLibraries[] = {"libc.so", "libstdc++.so", "libgcc_s.so",
                                                    "libm.so", "ld-linux", "libasan.so",
                                                    "libtsan.so", "libubsan.so",
                                                    "libclang_rt."};
  return std::ranges::any_of(kLibraries,
                             [&](std::string_view name) { return file.starts_with(name); });
}

// Crashes with the same one happened at the same place, as far as that can be told: the innermost
// frame that is not the system's; where there is no backtrace, the cause and the message. What
// hangs is somewhere else each time, so only the message counts.
std::uint64_t place_of(const CrashEntry& entry, std::string_view text,
                       const std::vector<CodePlace>& backtrace, std::string_view name) {
  Hash hash;
  hash.add(static_cast<std::uint64_t>(entry.cause));
  hash.add(static_cast<std::uint64_t>(entry.signal));
  const auto own = std::ranges::find_if(backtrace, [](const CodePlace& place) {
    return !place.module.empty() && !is_of_the_system(place.module);
  });
  if (entry.cause == CrashCause::kHung || own == backtrace.end()) {
    if (entry.cause == CrashCause::kException || entry.cause == CrashCause::kRefused)
      hash.add(text);
    hash.add(static_cast<std::uint64_t>(entry.wait_status));
    hash.add(name);
  } else {
    hash.add(own->module);
    hash.add(own->offset);
  }
  return hash.value();
}

// --- Backtraces ----------------------------------------------------------------------------------

// Only what is used, so that it costs no more than it has to.
void copy_backtrace(Backtrace& to, const Backtrace& from) {
  const std::uint32_t frames =
      std::min(from.frames.load(std::memory_order_acquire), kMostFrames);
  to.modules = std::min(from.modules, kMostModules);
  to.exact = from.exact;
  for (std::uint32_t i = 0; i < frames; ++i) to.frame[i] = from.frame[i];
  for (std::uint32_t i = 0; i < to.modules; ++i)
    copy_text(to.module[i], {from.module[i], ::strnlen(from.module[i], sizeof from.module[i])});
  to.frames.store(frames, std::memory_order_relaxed);
}

// Is the record of this death? Of one that nobody saw, only the record can tell.
bool is_of(const Death& death, const CrashReport& report) {
  if (report.kind == CrashKind::kNone) return false;
  if (death.observed == Observed::kNobodySaw) return true;
  if (report.kind == CrashKind::kSignal)
    return WIFSIGNALED(death.wait_status) && WTERMSIG(death.wait_status) == report.signal;
  return WIFEXITED(death.wait_status);
}

// --- Entries -------------------------------------------------------------------------------------

struct Found {
  std::uint64_t newest = 0;            // number; 0: there is none
  CrashEntry* of_this_death = nullptr;
};

// An entry's number as far as its place in the ring allows it.
std::uint64_t number_at(std::span<CrashEntry> history, std::size_t index) {
  const std::uint64_t number = history[index].number.load(std::memory_order_acquire);
  return number != 0 && (number - 1) % kMostCrashes == index ? number : 0;
}

Found look_for(std::span<CrashEntry> history, const Death& death, std::uint32_t incarnation) {
  Found found;
  for (std::size_t i = 0; i < history.size(); ++i) {
    const std::uint64_t number = number_at(history, i);
    if (number == 0) continue;
    found.newest = std::max(found.newest, number);
    // An incarnation that never came to write its number down may be followed by one of the same.
    const bool is_same =
        history[i].incarnation == incarnation &&
        (death.observed == Observed::kNobodySaw || history[i].at_ns == death.at_ns);
    if (is_same) found.of_this_death = &history[i];
  }
  return found;
}

std::uint32_t count_before(std::span<CrashEntry> history, std::uint64_t place) {
  std::uint64_t latest = 0;
  std::uint32_t count = 0;
  for (std::size_t i = 0; i < history.size(); ++i) {
    const std::uint64_t number = number_at(history, i);
    if (number <= latest || history[i].place != place) continue;
    latest = number;
    count = history[i].count;
  }
  return count;
}

bool is_crash(const Segment& segment, const Death& death) {
  if (!death.is_crash) return false;
  if (death.observed != Observed::kNobodySaw) return true;
  const WorkerStatus& status = segment.control().worker;
  return status.incarnation.load(std::memory_order_acquire) != 0 &&
         status.phase.load(std::memory_order_acquire) != Phase::kStopped;
}

void copy_flight(CrashEntry& entry, const Flight& flight) {
  entry.channel = flight.channel;
  entry.attempt = flight.attempt;
  entry.verdict = static_cast<std::uint32_t>(flight.verdict);
  copy_text(entry.name, flight.name);
  copy_text(entry.sender, flight.sender);
  entry.message = flight.message;
  entry.body_bytes =
      static_cast<std::uint32_t>(std::min(flight.body.size(), sizeof entry.body));
  if (entry.body_bytes != 0) std::memcpy(entry.body, flight.body.data(), entry.body_bytes);
}

}  // namespace

void Flight::take(const MessageHead& head, std::span<const std::byte> strings) {
  message = head;
  const auto kept = strings.first(std::min(strings.size(), sizeof CrashEntry::body));
  body.assign(kept.begin(), kept.end());
}

std::uint64_t remember_crash(const Segment& segment, const Death& death,
                             const CrashReport& report, const Flight& flight) {
  if (!is_crash(segment, death)) return 0;
  const std::span<CrashEntry> history = segment.history();
  const bool is_unseen = death.observed == Observed::kNobodySaw;
  const std::uint32_t incarnation =
      is_unseen ? segment.control().worker.incarnation.load(std::memory_order_acquire)
                : death.incarnation;
  const Found found = look_for(history, death, incarnation);
  if (found.of_this_death != nullptr) {
    // What became of the message may be another's judgement now.
    if (flight.channel != Channel::kNone)
      found.of_this_death->verdict = static_cast<std::uint32_t>(flight.verdict);
    return is_unseen ? 0 : found.of_this_death->number.load(std::memory_order_relaxed);
  }

  const std::uint64_t number = found.newest + 1;
  CrashEntry& entry = history[(number - 1) % kMostCrashes];
  entry.number.store(0, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);
  entry.at_ns = death.at_ns;
  entry.sequence = segment.control().committed.load(std::memory_order_acquire);
  entry.incarnation = incarnation;
  entry.cause = cause_of(death, report);
  entry.wait_status = death.wait_status;
  const bool by_signal = entry.cause == CrashCause::kSignal ||
                         entry.cause == CrashCause::kHung || entry.cause == CrashCause::kOom;
  entry.signal = !by_signal                     ? 0
                 : is_unseen                    ? report.signal
                 : WIFSIGNALED(death.wait_status) ? WTERMSIG(death.wait_status)
                                                : 0;
  entry.has_address = by_signal && is_of(death, report) && report.has_address ? 1 : 0;
  entry.address = entry.has_address != 0 ? report.address : 0;
  const std::string text = describe(death, report);
  entry.text_bytes = static_cast<std::uint32_t>(std::min(text.size(), sizeof entry.text));
  std::memcpy(entry.text, text.data(), entry.text_bytes);
  copy_flight(entry, flight);
  entry.backtrace.frames.store(0, std::memory_order_relaxed);
  entry.backtrace.modules = 0;
  if (is_of(death, report)) copy_backtrace(entry.backtrace, segment.crash().backtrace);
  entry.place = place_of(entry, text, read_backtrace(entry.backtrace), flight.name);
  entry.count = count_before(history, entry.place) + 1;
  compiler_fence();
  entry.number.store(number, std::memory_order_release);
  return number;
}

// --- Reading -------------------------------------------------------------------------------------

std::vector<CodePlace> read_backtrace(const Backtrace& backtrace) {
  const std::uint32_t frames =
      std::min(backtrace.frames.load(std::memory_order_acquire), kMostFrames);
  const std::uint32_t modules = std::min(backtrace.modules, kMostModules);
  std::vector<CodePlace> places;
  places.reserve(frames);
  for (std::uint32_t i = 0; i < frames; ++i) {
    const Frame frame = backtrace.frame[i];
    CodePlace place{"", frame.offset, i == 0 && backtrace.exact == 1};
    if (frame.module >= 1 && frame.module <= modules)
      place.module = text_of(backtrace.module[frame.module - 1]);
    places.push_back(std::move(place));
  }
  return places;
}

namespace {

// The strings that are there, each as far as it is.
std::vector<std::string> read_cut_strings(const MessageHead& head,
                                          std::span<const std::byte> body) {
  std::vector<std::string> strings;
  if (head.bytes == 0) return strings;
  std::uint64_t at = std::uint64_t{head.strings} * sizeof(std::uint32_t);
  const std::size_t lengths =
      std::min<std::size_t>(head.strings, body.size() / sizeof(std::uint32_t));
  for (std::size_t i = 0; i < lengths && at < body.size(); ++i) {
    std::uint32_t size = 0;
    std::memcpy(&size, body.data() + i * sizeof size, sizeof size);
    const std::size_t kept = std::min<std::size_t>(size, body.size() - at);
    strings.emplace_back(reinterpret_cast<const char*>(body.data()) + at, kept);
    at += size;
  }
  return strings;
}

std::optional<Crash> read_entry(const CrashEntry& entry, std::uint64_t number) {
  Crash crash;
  crash.number = number;
  crash.at_ns = entry.at_ns;
  crash.sequence = entry.sequence;
  crash.incarnation = entry.incarnation;
  crash.count = entry.count;
  if (static_cast<std::uint32_t>(entry.cause) <= static_cast<std::uint32_t>(CrashCause::kOom))
    crash.cause = entry.cause;
  crash.wait_status = entry.wait_status;
  crash.signal = entry.signal > 0 && entry.signal < NSIG ? entry.signal : 0;
  crash.address = entry.address;
  crash.has_address = entry.has_address == 1;
  crash.text = printable({entry.text, std::min<std::size_t>(entry.text_bytes, sizeof entry.text)},
                         sizeof entry.text);
  if (static_cast<std::uint32_t>(entry.channel) < kChannels) crash.channel = entry.channel;
  if (entry.verdict <= static_cast<std::uint32_t>(Verdict::kDrop))
    crash.verdict = static_cast<Verdict>(entry.verdict);
  crash.attempt = entry.attempt;
  crash.name = text_of(entry.name);
  crash.sender = text_of(entry.sender);
  crash.message = entry.message;
  crash.strings = read_cut_strings(
      crash.message, {entry.body, std::min<std::size_t>(entry.body_bytes, sizeof entry.body)});
  crash.backtrace = read_backtrace(entry.backtrace);
  std::atomic_thread_fence(std::memory_order_acquire);
  if (entry.number.load(std::memory_order_relaxed) != number) return std::nullopt;
  return crash;
}

}  // namespace

std::vector<Crash> read_history(const Segment& segment) {
  std::vector<Crash> crashes;
  const std::span<CrashEntry> history = segment.history();
  std::uint64_t newest = 0;
  for (std::size_t i = 0; i < history.size(); ++i)
    newest = std::max(newest, number_at(history, i));
  for (std::size_t i = 0; i < history.size(); ++i) {
    const std::uint64_t number = number_at(history, i);
    // One that is older than the ring is long is none: somebody wrote it.
    if (number == 0 || newest - number >= kMostCrashes) continue;
    if (auto crash = read_entry(history[i], number)) crashes.push_back(*std::move(crash));
  }
  std::ranges::sort(crashes, {}, &Crash::number);
  return crashes;
}

std::string_view word_for(CrashCause cause) {
  switch (cause) {
    case CrashCause::kUnseen: return "unseen";
    case CrashCause::kSignal: return "signal";
    case CrashCause::kException: return "exception";
    case CrashCause::kExit: return "exit";
    case CrashCause::kHung: return "hung";
    case CrashCause::kRefused: return "refused";
    case CrashCause::kOom: return "oom";
  }
  return "";
}

std::string_view word_for(Channel channel) {
  switch (channel) {
    case Channel::kNone: return "";
    case Channel::kInit: return "init";
    case Channel::kMailbox: return "mailbox";
    case Channel::kTerminate: return "terminate";
    case Channel::kStart: return "handle_start";
    case Channel::kContinue: return "continue";
    case Channel::kTimer: return "timer";
    case Channel::kTimeout: return "timeout";
    case Channel::kCodeChange: return "code_change";
    case Channel::kSystem: return "system message";
    case Channel::kClient: return "channel";
  }
  return "";
}

}  // namespace peeper::segment
