// A text that takes time to make, kept for whoever asks right after. Owner: Exporter.
// Pure; times are arguments, in ns of a clock that never jumps.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace peeper::daemon {

class KeptText {
 public:
  static constexpr std::uint64_t kKeptNs = 250'000'000;

  // Shared with those who are still sending it.
  template <class Make>
  [[nodiscard]] std::shared_ptr<const std::string> at(std::uint64_t now, const Make& make) {
    if (!text_ || now - made_at_ >= kKeptNs) {
      text_ = std::make_shared<const std::string>(make());
      made_at_ = now;
    }
    return text_;
  }

 private:
  std::shared_ptr<const std::string> text_;
  std::uint64_t made_at_ = 0;
};

}  // namespace peeper::daemon
