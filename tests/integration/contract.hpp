// Two servers of the example `full`, and how the contract's tests look at them: by SYS GET_STATE,
// which disturbs no timeout, and after a fence, so that nothing that is under way is missed.
#pragma once

#include <doctest/doctest.h>
#include <signal.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "instance.hpp"

namespace peeper::test {

// `more` of each; without restart intensity, if it says nothing of that.
inline std::string full_config(std::string_view more_of_a = "", std::string_view more_of_b = "") {
  const auto server = [](std::string_view name, std::string_view more) {
    const bool says = more.find("max_restarts") != more.npos;
    return "[[server]]\nname = \"" + std::string(name) + "\"\nbehaviour = \"full\"\n" +
           (says ? "" : "max_restarts = 1000000\n") + std::string(more);
  };
  return server("a", more_of_a) + server("b", more_of_b);
}

class Pair {
 public:
  explicit Pair(std::string_view more = "") : Pair(more, more) {}
  Pair(std::string_view more_of_a, std::string_view more_of_b)
      : peeperd(full_config(more_of_a, more_of_b)) {
    peeperd.start();
  }

  std::string call(std::vector<std::string_view> words, std::string_view server = "a") {
    std::vector<std::string_view> command{"CALL", server};
    command.insert(command.end(), words.begin(), words.end());
    Talk talk = peeperd.talk();
    return text_of(talk.client().command(command, std::chrono::seconds{20}));
  }

  // The whole state, as format_status shows it.
  std::string state(std::string_view server) {
    return peeperd.talk()({"SYS", "GET_STATE", server});
  }
  // How often the server's log has exactly this line.
  int count(std::string_view server, std::string_view line) {
    Talk talk = peeperd.talk();
    const auto reply = talk.reply({"SYS", "GET_STATE", server});
    REQUIRE(reply.has_value());
    int found = 0;
    for (std::size_t i = 0; i + 1 < reply->elements.size(); i += 2)
      if (reply->elements[i].text == "log")
        for (const resp::Reply& entry : reply->elements[i + 1].elements)
          found += entry.text == line ? 1 : 0;
    return found;
  }
  // A field of SYS GET_STATUS.
  std::string status(std::string_view server, std::string_view name) {
    Talk talk = peeperd.talk();
    const auto reply = talk.reply({"SYS", "GET_STATUS", server});
    REQUIRE(reply.has_value());
    const resp::Reply* field = reply->field(name);
    REQUIRE(field != nullptr);
    return text_of(*field);
  }
  void await_line(std::string_view server, const std::string& line) {
    CAPTURE(line);
    peeperd.await([&] { return count(server, line) != 0; });
  }

  // Until what `a` has sent before has reached `b`, and what was due within 60 ms has happened.
  void fence_messages() {
    const std::string name = "fence" + std::to_string(++fences_);
    REQUIRE(call({"tell", "b", name}) == "OK");
    await_line("b", "cast " + name);
  }
  void fence_time(const std::string& ms = "60") {
    const std::string name = "fence" + std::to_string(++fences_);
    REQUIRE(call({"after", ms, name}, "b")[0] != '-');
    await_line("b", "info " + name);
  }

  // The one that lives now: it may be dead, and not yet replaced, for a moment.
  enum class Role { kWorker, kKeeper };
  Watch watch(std::string_view server, Role role) {
    std::optional<Watch> found;
    peeperd.await([&] {
      const int pid = role == Role::kWorker ? peeperd.worker(server) : peeperd.keeper(server);
      if (pid == 0) return false;
      try {
        found.emplace(pid);
      } catch (const std::runtime_error&) {
        return false;  // gone since
      }
      return !found->gone(std::chrono::milliseconds{0});
    });
    return *std::move(found);
  }

  // Until another one has taken over.
  void kill_keeper(std::string_view server = "a") {
    const Watch keeper = watch(server, Role::kKeeper);
    keeper.kill(SIGKILL);
    REQUIRE(keeper.gone());
    peeperd.await([&] {
      const int now = peeperd.keeper(server);
      return now != 0 && now != keeper.pid();
    });
  }
  void kill_worker(std::string_view server = "a") {
    const Watch worker = watch(server, Role::kWorker);
    worker.kill(SIGKILL);
    REQUIRE(worker.gone());
    peeperd.await([&] {
      const int now = peeperd.worker(server);
      return now != 0 && now != worker.pid();
    });
  }

  Instance peeperd;

 private:
  int fences_ = 0;
};

}  // namespace peeper::test
