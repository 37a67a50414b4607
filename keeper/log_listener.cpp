#include "keeper/log_listener.hpp"

#include <spdlog/spdlog.h>

#include <cstddef>

#include "common/utf8.hpp"
#include "keeper/json_diff.hpp"

namespace peeper::keeper {
namespace {

namespace json = boost::json;

constexpr std::size_t kShownDifferences = 5;
// Beyond, counting them is for nobody.
constexpr std::size_t kCountedDifferences = 1'000;
constexpr std::size_t kValueBytes = 60;
constexpr std::size_t kPathBytes = 120;
constexpr std::size_t kReasonBytes = 500;

// Between two characters.
std::string cut(std::string text, std::size_t bytes) {
  if (text.size() <= bytes) return text;
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xc0) == 0x80) --bytes;
  text.resize(bytes);
  return text + "...";
}

// No more of a large one is made than is shown.
std::string value_text(const json::value& value) {
  json::serializer serializer;
  serializer.reset(&value);
  char buffer[kValueBytes + 1];
  const auto made = serializer.read(buffer, sizeof buffer);
  return cut(std::string(made.data(), made.size()), kValueBytes);
}

std::string difference_text(const std::string& path, const json::value* before,
                            const json::value* after) {
  const std::string name = path.empty() ? "" : cut(path, kPathBytes) + ": ";
  if (before == nullptr) return name + "added " + value_text(*after);
  if (after == nullptr) return name + "removed " + value_text(*before);
  return name + value_text(*before) + " -> " + value_text(*after);
}

}  // namespace

std::string log_text(const StateEvent& event) {
  const std::string sequence = "sequence " + std::to_string(event.sequence);
  if (event.kind == StateEvent::Kind::kTerminated)
    return sequence + ", terminated: " + cut(event.reason, kReasonBytes);
  std::string text = sequence + ", " + std::to_string(event.changes) +
                     (event.changes == 1 ? " change: " : " changes: ");
  std::size_t count = 0;
  see_differences(event.old_state, event.state,
                  [&](const std::string& path, const json::value* before,
                      const json::value* after) {
                    if (++count <= kShownDifferences)
                      text += (count == 1 ? "" : ", ") + difference_text(path, before, after);
                    return count < kCountedDifferences;
                  });
  if (count == 0) return text + "nothing that can be seen";
  if (count > kShownDifferences)
    text += ", and " + std::to_string(count - kShownDifferences) +
            (count == kCountedDifferences ? " or more" : " more");
  return text;
}

void LogListener::hear(const StateEvent& event) { spdlog::info("{}", log_text(event)); }

}  // namespace peeper::keeper
