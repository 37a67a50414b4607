#include "keeper_stage.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>

#include "common/segment/segment.hpp"
#include "instance.hpp"
#include "remove_directory.hpp"
#include "require.hpp"
#include "stage.hpp"

namespace peeper::test {
namespace {

std::pair<UniqueFd, UniqueFd> socket_pair(int type) {
  int pair[2];
  require(::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair) == 0, "no socket pair");
  return {UniqueFd{pair[0]}, UniqueFd{pair[1]}};
}

void await(int fd, std::chrono::milliseconds patience, const std::string& what) {
  pollfd wanted{fd, POLLIN, 0};
  require(::poll(&wanted, 1, static_cast<int>(patience.count())) == 1, what);
}

std::string content_of(const UniqueFd& file) {
  std::string text(static_cast<std::size_t>(::lseek(file.get(), 0, SEEK_END)), '\0');
  const ssize_t got = ::pread(file.get(), text.data(), text.size(), 0);
  text.resize(static_cast<std::size_t>(got < 0 ? 0 : got));
  return text;
}

}  // namespace

KeeperStage::KeeperStage() : id_{fresh_instance_name(), "counter", {}} {
  std::string name = (std::filesystem::temp_directory_path() / "peeper-XXXXXX").string();
  require(::mkdtemp(name.data()) != nullptr, "no directory " + name);
  directory_ = name;
}

KeeperStage::~KeeperStage() {
  end_process();
  segment::remove_segment(id_);
  remove_directory(directory_);
}

void KeeperStage::end_process() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void KeeperStage::start(const Start& how) {
  end_process();
  auto [control, their_control] = socket_pair(SOCK_SEQPACKET);
  auto [stream, their_stream] = socket_pair(SOCK_STREAM);
  control_ = std::move(control);
  stream_ = std::move(stream);
  mark_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  log_.reset(::memfd_create("log", MFD_CLOEXEC));
  output_.reset(::memfd_create("output", MFD_CLOEXEC));

  std::vector<std::string> command{program("peeper-keeper"), "--instance=" + id_.instance,
                                   "--server=" + id_.server, "--behaviour=counter",
                                   "--state-bytes=65536", "--mailbox-bytes=65536",
                                   "--listener-timeout-ms=" + std::to_string(how.timeout.count())};
  for (const std::string& listener : how.listeners) command.push_back("--listener=" + listener);
  std::vector<std::string> variables;
  for (const auto& [name, value] : how.environment) variables.push_back(name + "=" + value);
  std::vector<char*> arguments;
  std::vector<char*> environment;
  for (std::string& argument : command) arguments.push_back(argument.data());
  for (std::string& variable : variables) environment.push_back(variable.data());
  for (char** one = environ; *one != nullptr; ++one) environment.push_back(*one);
  arguments.push_back(nullptr);
  environment.push_back(nullptr);

  // Above all targets, so that none is overwritten by another.
  constexpr int kAbove = 100;
  const std::pair<int, int> wanted[] = {{their_control.get(), launch::kControlFd},
                                        {their_stream.get(), launch::kListenFd},
                                        {mark_.get(), launch::kListenMarkFd},
                                        {log_.get(), launch::kListenLogFd},
                                        {output_.get(), STDOUT_FILENO},
                                        {output_.get(), STDERR_FILENO}};
  std::vector<UniqueFd> copies;
  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  for (const auto& [ours, theirs] : wanted) {
    copies.emplace_back(::fcntl(ours, F_DUPFD_CLOEXEC, kAbove));
    ::posix_spawn_file_actions_adddup2(&files, copies.back().get(), theirs);
  }
  const int error = ::posix_spawn(&pid_, arguments[0], &files, nullptr, arguments.data(),
                                  environment.data());
  ::posix_spawn_file_actions_destroy(&files);
  require(error == 0, "no keeper");
  const launch::ToDaemon attached = packet();
  require(attached.event == launch::Event::kAttached, std::string("no segment: ") + attached.text);
}

void KeeperStage::send_raw(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(stream_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EPIPE) return;  // the keeper is gone, which the test will notice
    require(sent > 0, "the keeper takes no event");
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

void KeeperStage::tell_change(std::uint64_t sequence, std::uint64_t changes,
                              std::string_view old_state, std::string_view state) {
  const launch::ToListeners head{launch::Told::kChanged, 0, sequence, changes, old_state.size(),
                                 state.size()};
  send_raw({reinterpret_cast<const char*>(&head), sizeof head});
  send_raw(old_state);
  send_raw(state);
}

void KeeperStage::tell_end(std::uint64_t sequence, std::string_view reason,
                           std::string_view state) {
  const launch::ToListeners head{launch::Told::kTerminated,
                                 static_cast<std::uint32_t>(reason.size()), sequence, 0, 0,
                                 state.size()};
  send_raw({reinterpret_cast<const char*>(&head), sizeof head});
  send_raw(reason);
  send_raw(state);
}

bool KeeperStage::acknowledged(std::chrono::milliseconds patience) {
  pollfd wanted{stream_.get(), POLLIN, 0};
  char byte = 0;
  return ::poll(&wanted, 1, static_cast<int>(patience.count())) == 1 &&
         ::recv(stream_.get(), &byte, 1, 0) == 1;
}

void KeeperStage::hang_up() {
  await(stream_.get(), kPatience, "the keeper acknowledges nothing");
  stream_.reset();
}

launch::ToDaemon KeeperStage::packet() {
  launch::ToDaemon packet{};
  await(control_.get(), kPatience, "the keeper says nothing");
  require(::recv(control_.get(), &packet, sizeof packet, 0) == sizeof packet, "the keeper is gone");
  return packet;
}

launch::ToDaemon KeeperStage::recover() {
  launch::ToKeeper request{};
  request.request = launch::Request::kRecover;
  require(::send(control_.get(), &request, sizeof request, MSG_NOSIGNAL) == sizeof request,
          "the keeper is gone");
  return packet();
}

void KeeperStage::ask_to_stop() {
  launch::ToKeeper request{};
  request.request = launch::Request::kStop;
  require(::send(control_.get(), &request, sizeof request, MSG_NOSIGNAL) == sizeof request,
          "the keeper is gone");
}

int KeeperStage::end() {
  require(Watch{pid_}.gone(), "the keeper doesn't end");
  int status = 0;
  ::waitpid(std::exchange(pid_, -1), &status, 0);
  return status;
}

std::uint64_t KeeperStage::mark() const {
  std::uint64_t number = 0;
  return ::read(mark_.get(), &number, sizeof number) == sizeof number ? number : 0;
}

bool KeeperStage::is_alive() const {
  siginfo_t info{};
  return ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
         info.si_pid == 0;
}

std::string KeeperStage::log() const { return content_of(log_); }
std::string KeeperStage::output() const { return content_of(output_); }

}  // namespace peeper::test
