// Listeners of a server under a real peeperd.
#include <doctest/doctest.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "instance.hpp"
#include "listener_parts.hpp"
#include "udp_socket.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

// It begins far from what the wicked listener looks for.
std::string config(const std::string& listeners,
                   const std::string& more = "max_restarts = 1000000") {
  return "[[server]]\nname = \"counter\"\nbehaviour = \"counter\"\nstate = \"1000\"\n"
         "state_size = \"1MiB\"\nlistener = [" +
         listeners + "]\n" + more + "\n";
}

std::vector<json::value> documents_in(const fs::path& file) {
  std::vector<json::value> all;
  std::ifstream stream{file};
  for (std::string line; std::getline(stream, line) && !stream.eof();)
    all.push_back(json::parse(line));
  return all;
}

// The journal's file is named in the environment, which peeperd's keepers inherit.
class Journal {
 public:
  explicit Journal(const Instance& peeperd) : file_(peeperd.directory() / "journal") {
    ::setenv("PEEPER_JOURNAL", file_.c_str(), 1);
  }
  ~Journal() { ::unsetenv("PEEPER_JOURNAL"); }
  [[nodiscard]] std::vector<json::value> lines() const { return documents_in(file_); }
  // The count in the last line; -1: there is none.
  [[nodiscard]] std::int64_t last_count() const {
    const auto all = lines();
    return all.empty() ? -1 : all.back().at("state").at("count").as_int64();
  }

 private:
  const fs::path file_;
};

void add(Talk& talk, int number) {
  CHECK_FALSE(talk({"CALL", "counter", "add", std::to_string(number)}).starts_with("-"));
}

// Of the listener with that name, in `peeper status`.
std::string fate(Instance& peeperd, std::string_view name, std::string_view field) {
  const auto status = peeperd.talk().reply({"SYS", "GET_STATUS", "counter"});
  const resp::Reply* listeners = status ? status->field("listeners") : nullptr;
  if (listeners == nullptr) return "(none)";
  for (const resp::Reply& one : listeners->elements)
    if (one.field("name")->text == name) return text_of(*one.field(field));
  return "(no such)";
}

// Its listeners have been told of something once, so that what follows is told.
void await_listeners(Instance& peeperd, Talk& talk, const Journal& journal) {
  peeperd.await([&] {
    add(talk, 1);
    return !journal.lines().empty();
  });
}

// Sets the count to what ends the keeper, again where nobody was told of it.
void set_until_gone(Talk& talk, const Watch& keeper, std::int64_t wanted) {
  while (!keeper.gone(0ms)) {
    add(talk, 100);
    if (keeper.gone(50ms)) return;  // it was told after all
    const std::int64_t count = std::stoll(talk({"CALL", "counter", "state"}));
    add(talk, static_cast<int>(wanted - count));
    if (keeper.gone(2s)) return;
  }
}

}  // namespace

TEST_CASE("listeners: each change is told, those that come too fast as one, and nothing is lost") {
  Instance peeperd{config("\"journal\", \"log\"")};
  const Journal journal{peeperd};
  peeperd.start();
  Talk talk = peeperd.talk();
  await_listeners(peeperd, talk, journal);
  for (int i = 0; i < 300; ++i) add(talk, 2);
  const std::int64_t count = std::stoll(talk({"CALL", "counter", "state"}));
  peeperd.await([&] { return journal.last_count() == count; });
  std::int64_t told = 0;
  const auto lines = journal.lines();
  for (std::size_t i = 0; i < lines.size(); ++i) {
    CHECK(lines[i].at("changes").to_number<std::int64_t>() >= 1);
    told += lines[i].at("changes").to_number<std::int64_t>();
    if (i > 0) CHECK(lines[i].at("old") == lines[i - 1].at("state"));
  }
  MESSAGE(lines.size() << " events for " << told << " changes");
  CHECK(told >= 300);
  // What leaves the state as it was is no change.
  talk({"CALL", "counter", "add", "0"});
  talk({"CALL", "counter", "inc_then_segv"});
  peeperd.await([&] { return journal.lines().size() > lines.size(); });
  const auto end = journal.lines()[lines.size()];
  CHECK(has(std::string(end.at("reason").as_string()), "SIGSEGV"));
  CHECK(end.at("state").at("count").as_int64() == count);
  CHECK(has(peeperd.log(), "[info] server counter: sequence "));
}

TEST_CASE("listeners: the end of a server that is stopped is told before its keeper goes") {
  Instance peeperd{config("\"journal\"")};
  const Journal journal{peeperd};
  peeperd.start();
  Talk talk = peeperd.talk();
  await_listeners(peeperd, talk, journal);
  peeperd.stop();
  const auto lines = journal.lines();
  REQUIRE(!lines.empty());
  REQUIRE(lines.back().as_object().contains("reason"));
  CHECK(lines.back().at("reason").as_string() == "shutdown");
}

TEST_CASE("listeners: one that crashes costs no call an error, and in the end it is off") {
  for (const char* strategy : {"one_for_one", "one_for_all", "rest_for_one"}) {
    CAPTURE(strategy);
    Instance peeperd{config("\"wicked\", \"journal\"",
                            "max_restarts = 0\nstrategy = \"" + std::string(strategy) + "\"")};
    const Journal journal{peeperd};
    peeperd.start();
    Talk talk = peeperd.talk();
    const int worker = peeperd.worker("counter");
    await_listeners(peeperd, talk, journal);
    for (int death = 1; death <= 4; ++death) {
      const Watch keeper{peeperd.keeper("counter")};
      set_until_gone(talk, keeper, 13);
      peeperd.await([&] {
        const int next = peeperd.keeper("counter");
        return next != 0 && next != keeper.pid();
      });
      CHECK(fate(peeperd, "wicked", "crashes") == std::to_string(death));
    }
    CHECK(fate(peeperd, "wicked", "state") == "off");
    CHECK(fate(peeperd, "journal", "state") == "on");
    CHECK(peeperd.worker("counter") == worker);
    CHECK(has(peeperd.log(), "while it ran listener 'wicked'"));
    CHECK(has(peeperd.log(), "is off from now on; the others are told. Mend it, then: peeper "
                             "restart counter"));
    // The others go on.
    add(talk, 1'000'000);
    const std::int64_t count = std::stoll(talk({"CALL", "counter", "state"}));
    peeperd.await([&] { return journal.last_count() == count; });
    CHECK(peeperd.peeper({"restart", "counter"}).exit_code == 0);
    CHECK(fate(peeperd, "wicked", "state") == "on");
  }
}

TEST_CASE("listeners: one that hangs is named, and takes only the keeper along") {
  Instance peeperd{config("\"wicked\"", "listener_timeout = \"500ms\"\nmax_restarts = 0")};
  peeperd.start();
  Talk talk = peeperd.talk();
  const int worker = peeperd.worker("counter");
  const Watch keeper{peeperd.keeper("counter")};
  set_until_gone(talk, keeper, 14);
  peeperd.await([&] { return fate(peeperd, "wicked", "crashes") == "1"; });
  CHECK(has(peeperd.log(), "wicked.so: on_state_changed takes more than 500 ms"));
  CHECK(peeperd.worker("counter") == worker);
}

TEST_CASE("listeners: a program gets the changes as JSON, statsd as gauges") {
  const UdpSocket statsd;
  Instance peeperd{config("\"exec:./hear\", \"statsd:" + statsd.address() + "\"")};
  const fs::path heard = peeperd.directory() / "heard";
  make_program(peeperd.directory() / "hear",
               "echo out; echo err >&2; cat >> " + heard.string());
  peeperd.start();
  Talk talk = peeperd.talk();
  peeperd.await([&] {
    add(talk, 1);
    return !documents_in(heard).empty();
  });
  const json::value first = documents_in(heard).front();
  CHECK(first.at("event").as_string() == "changed");
  CHECK(first.at("server").as_string() == "counter");
  CHECK(first.at("old").at("count").as_int64() < first.at("state").at("count").as_int64());
  const std::string told = statsd.receive();
  CHECK(told.starts_with("peeper.counter.changes:"));
  CHECK(has(told, "\npeeper.counter.count:"));
  peeperd.await([&] { return has(peeperd.log(), "server counter keeper| out"); });
  CHECK(has(peeperd.log(), "server counter keeper| err"));
}

TEST_CASE("listeners: one that can't be made is shown, one that isn't there is a mistake") {
  Instance peeperd{config("\"unborn\", \"log\"")};
  peeperd.start();
  peeperd.await([&] { return fate(peeperd, "unborn", "state") == "failed"; });
  CHECK(fate(peeperd, "unborn", "error") == "its constructor threw: no, thanks");
  CHECK(fate(peeperd, "log", "state") == "on");
  const Ran shown = peeperd.peeper({"status", "counter"});
  CHECK(has(shown.out, "no, thanks"));

  Instance wrong{config("\"nowhere\"")};
  Spawn check = wrong.command();
  check.command.emplace_back("--check");
  check.output_file.clear();
  const Ran checked = run(check);
  CHECK(checked.exit_code == 2);
  CHECK(has(checked.err, "listener \"nowhere\" not found; looked at "));
}
