// The words of the configuration's enumerations: what the file and the command line accept, and
// what is shown again. Pure.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "daemon/config/config.hpp"

namespace peeper::config {

template <class Enum>
struct Word {
  std::string_view text;
  Enum value;
};

inline constexpr Word<Strategy> kStrategyWords[] = {{"one_for_one", Strategy::kOneForOne},
                                                    {"one_for_all", Strategy::kOneForAll},
                                                    {"rest_for_one", Strategy::kRestForOne}};
inline constexpr Word<Restart> kRestartWords[] = {{"permanent", Restart::kPermanent},
                                                  {"transient", Restart::kTransient},
                                                  {"temporary", Restart::kTemporary}};
inline constexpr Word<AutoShutdown> kAutoShutdownWords[] = {
    {"never", AutoShutdown::kNever},
    {"any_significant", AutoShutdown::kAnySignificant},
    {"all_significant", AutoShutdown::kAllSignificant}};
inline constexpr Word<OnCrash> kOnCrashWords[] = {{"drop", OnCrash::kDrop},
                                                  {"retry", OnCrash::kRetry}};
inline constexpr Word<LoopStep> kLoopStepWords[] = {{"drop", LoopStep::kDrop},
                                                    {"init", LoopStep::kInit},
                                                    {"down", LoopStep::kDown}};
inline constexpr Word<WhenDown> kWhenDownWords[] = {{"reject", WhenDown::kReject},
                                                    {"queue", WhenDown::kQueue}};
inline constexpr Word<Overflow> kOverflowWords[] = {{"block", Overflow::kBlock},
                                                    {"reject", Overflow::kReject}};
inline constexpr Word<LateCalls> kLateCallsWords[] = {{"run", LateCalls::kRun},
                                                      {"skip", LateCalls::kSkip}};
inline constexpr Word<CoreDump> kCoreDumpWords[] = {{"without_state", CoreDump::kWithoutState},
                                                    {"with_state", CoreDump::kWithState}};
inline constexpr Word<DebugOption> kDebugWords[] = {{"trace", DebugOption::kTrace},
                                                    {"log", DebugOption::kLog},
                                                    {"statistics", DebugOption::kStatistics}};
inline constexpr Word<LogLevel> kLogLevelWords[] = {
    {"trace", LogLevel::kTrace},     {"debug", LogLevel::kDebug}, {"info", LogLevel::kInfo},
    {"warning", LogLevel::kWarning}, {"error", LogLevel::kError}, {"critical", LogLevel::kCritical},
    {"off", LogLevel::kOff}};

inline constexpr Word<LogFormat> kLogFormatWords[] = {{"text", LogFormat::kText},
                                                      {"json", LogFormat::kJson}};

// The argument only chooses the enumeration.
constexpr std::span<const Word<Strategy>> words_of(Strategy) { return kStrategyWords; }
constexpr std::span<const Word<Restart>> words_of(Restart) { return kRestartWords; }
constexpr std::span<const Word<AutoShutdown>> words_of(AutoShutdown) { return kAutoShutdownWords; }
constexpr std::span<const Word<OnCrash>> words_of(OnCrash) { return kOnCrashWords; }
constexpr std::span<const Word<LoopStep>> words_of(LoopStep) { return kLoopStepWords; }
constexpr std::span<const Word<WhenDown>> words_of(WhenDown) { return kWhenDownWords; }
constexpr std::span<const Word<Overflow>> words_of(Overflow) { return kOverflowWords; }
constexpr std::span<const Word<LateCalls>> words_of(LateCalls) { return kLateCallsWords; }
constexpr std::span<const Word<CoreDump>> words_of(CoreDump) { return kCoreDumpWords; }
constexpr std::span<const Word<DebugOption>> words_of(DebugOption) { return kDebugWords; }
constexpr std::span<const Word<LogLevel>> words_of(LogLevel) { return kLogLevelWords; }
constexpr std::span<const Word<LogFormat>> words_of(LogFormat) { return kLogFormatWords; }

template <class Enum>
[[nodiscard]] constexpr std::string_view to_word(Enum value) {
  for (const Word<Enum>& word : words_of(value)) {
    if (word.value == value) return word.text;
  }
  return "?";
}

template <class Enum>
[[nodiscard]] constexpr std::optional<Enum> from_word(std::string_view text) {
  for (const Word<Enum>& word : words_of(Enum{})) {
    if (word.text == text) return word.value;
  }
  return std::nullopt;
}

// "drop" or "retry"; "a", "b" or "c".
template <class Enum>
[[nodiscard]] std::string all_words() {
  const std::span<const Word<Enum>> words = words_of(Enum{});
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 == words.size() ? " or " : ", ";
    text.append("\"").append(words[i].text).append("\"");
  }
  return text;
}

}  // namespace peeper::config
