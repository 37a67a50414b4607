// What a StateWatch has around it, in its tests: a server's State that is a number, a shell in the
// observer's place, and a listener that is busy until it is said otherwise.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "daemon/inspection/observer.hpp"
#include "daemon/inspection/state_watch.hpp"

namespace peeper::test {

using namespace daemon;
using namespace std::chrono_literals;

inline StateText text(std::string value) {
  return std::make_shared<const std::string>(std::move(value));
}

inline LaunchSpec shell(const std::string& script) { return {"/bin/sh", {"-c", script}, {}}; }

// As printf has it: what an observer says of the State.
inline std::string eight(unsigned number) {
  char octal[8];
  std::snprintf(octal, sizeof octal, "\\%03o", number);
  return octal + std::string("\\000\\000\\000\\000\\000\\000\\000");
}
inline std::string says(unsigned seen, unsigned sequence, unsigned bytes,
                        const std::string& value, unsigned changes = 0) {
  return "printf '" + eight(seen) + eight(sequence) + eight(bytes) + eight(changes) + value +
         "' >&3\n";
}

// Asked for the nth time it does what the script does with $n.
inline std::string each_time(const std::string& script) {
  return "n=0\nwhile [ \"$(dd bs=1 count=1 2>/dev/null <&3 | wc -c)\" = 1 ]\ndo n=$((n+1))\n" +
         script + "done\n";
}

class CounterSource final : public StateSource {
 public:
  const std::string& name() const override { return name_; }
  Moment state_moment() const override { return moment; }
  void arm_state_bell() override { ++armed; }
  LaunchSpec observer_spec() override {
    ++started;
    return shell(script);
  }
  void ask_for_state(std::function<void(std::string_view)> on_value) override {
    ++asked_worker;
    if (is_worker_slow)
      by_worker_later = std::move(on_value);
    else
      on_value(by_worker);
  }
  void publish_state_event(const StateEvent& event) override { published.push_back(line(event)); }

  static std::string line(const StateEvent& event) {
    const auto plain = [](const StateText& value) { return value->substr(0, value->size() - 2); };
    switch (event.kind) {
      case StateEvent::Kind::kObserved: return "observed " + plain(event.state);
      case StateEvent::Kind::kTerminated: return event.reason + " " + plain(event.state);
      case StateEvent::Kind::kChanged: break;
    }
    return plain(event.old) + " to " + plain(event.state);
  }

  // Each question finds another State: its number.
  std::string script = each_time("printf '" + eight(1) + eight(9) + eight(4) + eight(0) +
                                 "' >&3\nprintf ':%d\\r\\n' $n >&3\n");
  Moment moment{1, 1, 1, 1};
  int armed = 0;
  int started = 0;
  int asked_worker = 0;
  std::string by_worker = "+by the worker\r\n";
  bool is_worker_slow = false;  // it answers when by_worker_later is called
  std::function<void(std::string_view)> by_worker_later;
  std::vector<std::string> published;

 private:
  const std::string name_ = "counter";
};

class BusyListener final : public StateListener {
 public:
  bool is_ready() const override { return ready; }
  bool is_there() const override { return true; }
  bool is_attached() const override { return true; }
  void tell(const StateEvent& event) override {
    told.push_back(CounterSource::line(event) + " (" + std::to_string(event.changes) + ")");
    ready = false;
  }
  bool ready = true;
  std::vector<std::string> told;
};

struct WatchFixture {
  boost::asio::io_context loop;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work =
      boost::asio::make_work_guard(loop);
  CounterSource source;
  BusyListener listener;

  template <class Done>
  bool await(Done done) {
    const auto until = std::chrono::steady_clock::now() + 20s;
    while (!done() && std::chrono::steady_clock::now() < until) loop.run_one_for(5ms);
    return done();
  }
  void change() {
    ++source.moment.sequence;
    ++source.moment.writes;
    ++source.moment.changes;
  }
};

using Lines = std::vector<std::string>;

}  // namespace peeper::test
