// The torture: see README.md.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <thread>

#include "audit.hpp"
#include "chaos.hpp"
#include "servers.hpp"

namespace peeper::torture {
namespace {

// Between two audits.
constexpr std::chrono::seconds kRound{30};

struct Options {
  double minutes = 0;
  double seconds = 20;
  int clients = 16;
  std::uint32_t seed = test::fresh_seed();
};

Options parse_or_exit(int argc, char** argv) {
  Options options;
  CLI::App app{
      "Sends random SIGKILL, SIGSEGV, SIGABRT and SIGSTOP to six servers and their peeperd under\n"
      "load, and checks that nothing is lost, done twice or left behind.",
      "torture"};
  app.add_option("--minutes", options.minutes, "How long, in place of --seconds")
      ->check(CLI::PositiveNumber);
  app.add_option("--seconds", options.seconds, "How long")->check(CLI::PositiveNumber);
  app.add_option("--clients", options.clients, "How many clients")->check(CLI::Range(1, 64));
  app.add_option("--seed", options.seed, "Of the blows and the messages; a new one if not given");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    std::exit(app.exit(e));
  }
  if (options.minutes > 0) options.seconds = options.minutes * 60;
  return options;
}

// Threads that end with the round, also with one that fails.
class Load {
 public:
  explicit Load(const Callers& callers) {
    for (const auto& caller : callers)
      threads_.emplace_back([this, &its = *caller] { its.work(stop_); });
  }
  ~Load() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
  }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

 private:
  std::atomic<bool> stop_{false};
  std::vector<std::thread> threads_;
};

class Torture {
 public:
  explicit Torture(const Options& options) : options_(options), peeperd_(configuration()) {
    peeperd_.start();
    for (int number = 1; number <= options.clients; ++number)
      callers_.push_back(std::make_unique<Caller>(
          Caller::Who{number, options.seed, peeperd_.socket()}, shared_));
  }

  // 0 if all was well.
  int run() {
    try {
      strike();
    } catch (const std::exception& e) {
      shared_.verdict.fail(e.what());
    }
    print_figures();
    if (!shared_.verdict.has_failed()) return EXIT_SUCCESS;
    print_failure();
    return EXIT_FAILURE;
  }

 private:
  void strike() {
    Audit audit{peeperd_, shared_};
    for (const auto& caller : callers_) caller->open_accounts();
    const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                        std::chrono::duration<double>(options_.seconds));
    while (Clock::now() < end && !shared_.verdict.has_failed()) {
      strike_until(std::min(end, Clock::now() + kRound));
      audit.check(callers_);
      ++rounds_;
    }
    if (shared_.verdict.has_failed()) return;
    peeperd_.stop();
    audit.check_nothing_is_left();
  }

  void strike_until(Clock::time_point end) {
    const Load load{callers_};
    const auto now = Clock::now();
    try {
      chaos_.run(now + (end - now) * 2 / 3, end);
    } catch (const std::exception& e) {
      shared_.verdict.fail(e.what());  // before the clients are waited for
    }
    chaos_.release();
  }

  void print_figures() const {
    const Figures& figures = shared_.figures;
    std::printf(
        "%lld messages settled, %lld tries over a death of peeperd, %lld tries repeated\n"
        "%lld answers CRASHED (%lld by signals, %lld of these let be), %lld DOWN, %lld TIMEOUT\n"
        "%d SIGKILL, %d SIGSEGV and SIGABRT, %d SIGSTOP, %d deaths of peeperd, %d audits\n",
        static_cast<long long>(figures.messages), static_cast<long long>(figures.outlived),
        static_cast<long long>(figures.repeated), static_cast<long long>(figures.crashed),
        static_cast<long long>(figures.undone), static_cast<long long>(figures.let_be),
        static_cast<long long>(figures.down), static_cast<long long>(figures.timeouts),
        chaos_.kills(), chaos_.crashes(), chaos_.stops(), chaos_.daemon_deaths(), rounds_);
  }

  void print_failure() const {
    ::setenv("PEEPER_TEST_KEEP", "1", 1);
    std::printf("the last blows:\n%sFAILED: %s\nthe log: %s/log\n"
                "the same blows again: torture --seconds %g --clients %d --seed %u\n",
                chaos_.recent().c_str(), shared_.verdict.what().c_str(),
                peeperd_.directory().c_str(), options_.seconds, options_.clients, options_.seed);
  }

  const Options options_;
  Shared shared_;
  test::Instance peeperd_;
  Callers callers_;
  Chaos chaos_{peeperd_, shared_, options_.seed};
  int rounds_ = 0;
};

}  // namespace
}  // namespace peeper::torture

namespace {

// A sanitizer that reports a SIGSEGV of ours may wait for a lock that the process held when it came,
// as while it was being loaded: then it would hang instead of dying. It leaves the signal alone.
void let_signals_kill() {
#ifdef PEEPER_SANITIZED
  const char* given = std::getenv("ASAN_OPTIONS");
  const std::string all = (given == nullptr ? "" : std::string(given) + ":") + "handle_segv=0";
  ::setenv("ASAN_OPTIONS", all.c_str(), 1);
#endif
}

}  // namespace

int main(int argc, char** argv) {
  using namespace peeper::torture;
  const Options options = parse_or_exit(argc, argv);
  let_signals_kill();
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  ::signal(SIGPIPE, SIG_IGN);
  // So that whoever outlives its peeperd is seen here; and no core of each crash.
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  const rlimit none{};
  ::setrlimit(RLIMIT_CORE, &none);
  std::printf("seed %u: torture --seconds %g --clients %d --seed %u\n", options.seed,
              options.seconds, options.clients, options.seed);
  return Torture{options}.run();
}
