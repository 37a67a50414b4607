#include "daemon/runtime.hpp"

#include <fcntl.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <csignal>

#include "common/limits.hpp"
#include "daemon/config/listeners.hpp"
#include "daemon/log/set_up_log.hpp"
#include "daemon/loop/notify.hpp"
#include "daemon/process/child_mark.hpp"
#include "daemon/process/descendants.hpp"
#include "daemon/process/oom.hpp"
#include "daemon/values/reply_text.hpp"

namespace peeper::daemon {
namespace {

using namespace std::chrono_literals;

// In one turn: a client or two that each wait for their replies, and a bell.
constexpr std::size_t kFewReady = 3;
// Of at most some milliseconds each. Timers and children's ends wait for no more than that.
constexpr int kMostTurnsWithoutAsio = 4;
// For the last replies to clients that read them.
constexpr auto kGrace = 500ms;
// For the kernel to take down what workers had started, and was sent SIGKILL.
constexpr auto kLastLook = 5s;

// A command can be of use only if it fits some mailbox; what is a little too large for one still
// gets TOOBIG, what is far beyond ends the connection.
resp::ParserLimits parser_limits(const config::Config& config) {
  std::size_t largest = limits::MiB;
  for (const auto& server : config.servers) largest = std::max(largest, server.mailbox_bytes);
  resp::ParserLimits parser;
  parser.bulk_bytes = std::min(limits::kBulkBytes, largest);
  parser.command_bytes = std::min(limits::kCommandBytes, 2 * largest);
  return parser;
}

}  // namespace

Runtime::Runtime(const config::Config& config, std::function<config::Loaded()> read_again,
                 Programs programs, std::string version)
    : config_(config),
      read_again_(std::move(read_again)),
      programs_(std::move(programs)),
      sockets_ready_(loop_, ::fcntl(sockets_.descriptor(), F_DUPFD_CLOEXEC, 0)),
      acceptor_({loop_, sockets_, commands_, facts_, parser_limits(config)}) {
  facts_.version = std::move(version);
  facts_.config_file = config.file.string();
  facts_.instance = config.daemon.instance;
  commands_.supervise(tree_, [this](ReplyTarget caller) { reload(std::move(caller)); });
}

Result<std::unique_ptr<Server>> Runtime::make_server(const config::ServerSection& section,
                                                     Supervision& supervision) {
  auto library = config::find_behaviour(section, programs_.behaviours);
  if (!library) return library.error();
  for (const std::string& listener : section.listener)
    if (const auto found = config::find_listener(listener, programs_.behaviours); !found)
      return found.error();
  return std::make_unique<Server>(loop_, programs_, config_.daemon.instance, section,
                                  *std::move(library), servers_, sockets_, lookout_, supervision);
}

Result<Tree::End> Runtime::run() {
  if (const auto built = tree_.build(config_); !built) return built.error();
  // Made first, so that a path that can't be is told before anything runs; clients that connect
  // already wait in its backlog.
  if (const auto opened = acceptor_.open(config_.daemon.socket, config_.daemon.socket_mode);
      !opened)
    return opened.error();
  if (const auto opened = exporter_.open(config_.daemon.metrics); !opened) return opened.error();
  auto& descendants = boost::asio::use_service<Descendants>(loop_);
  descendants.adopt(family_name(config_.daemon.instance));
  descendants.end_leftovers({programs_.keeper, programs_.worker});
  boost::asio::use_service<OomWatch>(loop_).start();
  watch_signals();
  tree_.when_ended([this](Tree::End how) { end(how); });
  tree_.start([this] { serve(); });
  while (!loop_.stopped()) {
    const bool has_worked = turn();
    if (!has_worked) clock_.rest();
    if (const std::uint64_t length = clock_.take_length(); length != 0) facts_.turns.add(length);
    if (has_worked) continue;
    // Looking may have brought replies though there is nothing more to look for.
    if (lookout_.look() || sockets_.has_to_settle())
      loop_.poll();
    else
      sleep();
  }
  return how_;
}

// Workers are woken before replies are written, and those that are there already are written with
// the others. While clients keep us busy each look at asio's descriptors would be a system call for
// nothing: they get one now and then.
bool Runtime::turn() {
  const std::size_t ready = sockets_.turn();
  if (ready > kFewReady) lookout_.was_crowded();
  bool has_worked = ready != 0;
  if (has_worked && ++turns_without_asio_ >= kMostTurnsWithoutAsio) {
    turns_without_asio_ = 0;
    loop_.poll();
  }
  if (sockets_.settle()) has_worked = true;
  return has_worked;
}

// Until there is anything; asio's part of that is done at once.
void Runtime::sleep() {
  turns_without_asio_ = 0;
  clock_.forget();
  if (!std::exchange(awaits_sockets_, true))
    sockets_ready_.async_wait(
        boost::asio::posix::descriptor_base::wait_read,
        [this](boost::system::error_code) { awaits_sockets_ = false; });
  loop_.run_one();
}

void Runtime::watch_signals() {
  signals_.async_wait([this](boost::system::error_code error, int signal) {
    if (error) return;
    if (signal == SIGHUP) {
      reload({});
    } else if (!std::exchange(stopping_, true)) {
      spdlog::info("{}: stopping", ::strsignal(signal));
      stop();
    }
    watch_signals();
  });
}

void Runtime::serve() {
  if (stopping_) return;
  acceptor_.start();
  spdlog::info("peeperd {} serves {} server{} on {}", facts_.version, servers_.all().size(),
               servers_.all().size() == 1 ? "" : "s", config_.daemon.socket.string());
  notify_service_manager("READY=1");
}

void Runtime::stop() {
  notify_service_manager("STOPPING=1");
  acceptor_.close();
  exporter_.close();
  tree_.stop();
}

void Runtime::reload(ReplyTarget caller) {
  const auto answer = [&caller](std::string_view text) {
    if (caller.sink) caller.sink->deliver(caller.slot, error_value(text));
  };
  if (stopping_) return answer("DOWN peeperd is stopping");
  notify_service_manager("RELOADING=1");
  config::Loaded loaded = read_again_();
  if (loaded.mistakes.empty()) {
    if (const auto log = set_up_log(loaded.config.daemon); !log)
      spdlog::error("{}; the log goes on as before", log.error().what);
    commands_.use(loaded.config.daemon.use);
    tree_.reload(std::move(loaded.config), std::move(caller));
  } else {
    std::string all;
    for (const config::Mistake& mistake : loaded.mistakes) {
      const std::string text = config::describe(loaded.config.file, mistake);
      spdlog::error("{}", text);
      all += text + "; ";
    }
    spdlog::error("the configuration was read again and refused; nothing was changed");
    answer("BADARG " + all + "nothing was changed");
  }
  notify_service_manager("READY=1");
}

void Runtime::end(Tree::End how) {
  how_ = how;
  if (!std::exchange(stopping_, true)) {
    notify_service_manager("STOPPING=1");
    acceptor_.close();
    exporter_.close();
  }
  acceptor_.finish_connections();
  // Looks often: mostly all clients are gone at once, and what workers had started.
  const auto begin = std::chrono::steady_clock::now();
  const auto look = [this, begin](const auto& again) -> void {
    const auto waited = std::chrono::steady_clock::now() - begin;
    const bool is_alone = boost::asio::use_service<Descendants>(loop_).sweep();
    if ((is_alone || waited >= kLastLook) && (facts_.connections == 0 || waited >= kGrace)) {
      spdlog::info("peeperd has stopped; the state of its servers is kept");
      return loop_.stop();
    }
    grace_.expires_after(5ms);
    grace_.async_wait([again](boost::system::error_code) { again(again); });
  };
  look(look);
}

}  // namespace peeper::daemon
