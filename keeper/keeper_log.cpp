#include "keeper/keeper_log.hpp"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "common/utf8.hpp"
#include "common/write_all.hpp"
#include "keeper/held_file.hpp"

namespace peeper::keeper {
namespace {

char priority_of(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::trace:
    case spdlog::level::debug: return '7';
    case spdlog::level::info:
    case spdlog::level::off:
    case spdlog::level::n_levels: break;
    case spdlog::level::warn: return '4';
    case spdlog::level::err: return '3';
    case spdlog::level::critical: return '2';
  }
  return '6';
}

class Line final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    const std::string text =
        std::string("<") + priority_of(message.level) + ">" +
        escape_control(std::string_view(message.payload.data(), message.payload.size())) + "\n";
    out.append(text.data(), text.data() + text.size());
  }
  [[nodiscard]] std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<Line>();
  }
};

class PipeSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit PipeSink(int fd) : pipe_(fd) {}

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    // Its failure has nowhere to be told.
    (void)write_all(pipe_.is_held() ? pipe_.fd() : STDERR_FILENO, {line.data(), line.size()});
  }
  void flush_() override {}

  const HeldFile pipe_;
};

}  // namespace

void log_to_daemon(int fd) {
  auto sink = std::make_shared<PipeSink>(fd);
  sink->set_formatter(std::make_unique<Line>());
  spdlog::set_default_logger(std::make_shared<spdlog::logger>("keeper", std::move(sink)));
  spdlog::set_level(spdlog::level::debug);
}

}  // namespace peeper::keeper
