// Text in Prometheus' exposition format, version 0.0.4: the families, each with its samples.
// Pure. https://prometheus.io/docs/instrumenting/exposition_formats/
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "daemon/counts/durations.hpp"

namespace peeper::daemon {

class PrometheusText {
 public:
  using Label = std::pair<std::string_view, std::string_view>;
  using Labels = std::initializer_list<Label>;

  // Begins a family: all its samples follow. `type`: "counter", "gauge" or "histogram"; `help`: one
  // line. A counter's name ends in "_total".
  void family(std::string_view name, std::string_view type, std::string_view help);
  void sample(Labels labels, std::uint64_t value);
  void sample(Labels labels, double value);
  // Of a family of type "histogram"; in seconds, as all of Prometheus' times.
  void histogram(std::string_view server, const Durations<std::uint64_t>& durations);
  // Of a family of type "summary", without quantiles.
  void summary(std::string_view server, std::uint64_t count, std::uint64_t sum_ns);

  [[nodiscard]] std::string take() && { return std::move(text_); }

 private:
  void begin(std::string_view suffix, Labels labels);

  std::string family_;
  std::string text_;
};

}  // namespace peeper::daemon
