#include "instance.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <random>
#include <sstream>

#include "remove_directory.hpp"
#include "require.hpp"

namespace peeper::test {

std::string program(std::string_view name) {
  return std::string(PEEPER_BIN_DIR) + "/" + std::string(name);
}

std::uint32_t fresh_seed() {
  if (const char* given = std::getenv("PEEPER_SEED"))
    return static_cast<std::uint32_t>(std::strtoul(given, nullptr, 10));
  return std::random_device{}();
}

std::string counter_config(std::string_view name, std::string_view more) {
  return "[[server]]\nname = \"" + std::string(name) +
         "\"\nbehaviour = \"counter\"\nmax_restarts = 1000000\nstate_size = \"1MiB\"\n" +
         std::string(more) + "\n";
}

std::string text_of(const Result<resp::Reply>& reply) {
  if (!reply) return "(failure) " + reply.error().what;
  using Type = resp::Reply::Type;
  switch (reply->type) {
    case Type::kError: return "-" + reply->text;
    case Type::kInteger: return std::to_string(reply->integer);
    case Type::kNull: return "(nil)";
    case Type::kBoolean: return reply->integer != 0 ? "true" : "false";
    case Type::kStatus:
    case Type::kBulk:
    case Type::kVerbatim:
    case Type::kDouble:
    case Type::kBigNumber: return reply->text;
    case Type::kArray:
    case Type::kMap:
    case Type::kSet:
    case Type::kPush: break;
  }
  std::string text = "[";
  for (const auto& element : reply->elements)
    text += (text.size() > 1 ? " " : "") + text_of(element);
  return text + "]";
}

std::string line_with(const std::string& text, std::string_view word) {
  const std::size_t at = text.find(word);
  if (at == std::string::npos) return "";
  const std::size_t begin = text.rfind('\n', at) + 1;
  return text.substr(begin, text.find('\n', at) - begin);
}

std::string Talk::operator()(std::initializer_list<std::string_view> command) {
  return text_of(client_.command(command, kPatience));
}

Result<resp::Reply> Talk::reply(std::initializer_list<std::string_view> command) {
  return client_.command(command, kPatience);
}

void Talk::send(std::initializer_list<std::string_view> command) {
  const auto sent = client_.send(command, kPatience);
  require(sent.has_value(), sent ? "" : sent.error().what);
}

void Talk::send_raw(std::string_view bytes) {
  const auto sent = client_.send_raw(bytes, kPatience);
  require(sent.has_value(), sent ? "" : sent.error().what);
}

std::string Talk::receive() { return text_of(client_.receive(kPatience)); }

Instance::Instance(std::string config) {
  static std::atomic<int> count{0};
  name_ = "t" + std::to_string(::getpid()) + "x" + std::to_string(++count);
  std::string pattern = (std::filesystem::temp_directory_path() / "peeper-XXXXXX").string();
  require(::mkdtemp(pattern.data()) != nullptr, "no directory " + pattern);
  directory_ = pattern;
  std::ofstream{config_file()} << config;
}

Instance::~Instance() {
  daemon_.reset();
  // A killed daemon's children are killed by the kernel a moment later; until then they hold the
  // segment.
  for (const auto& entry : std::filesystem::directory_iterator{"/dev/shm"}) {
    const std::string file = entry.path().filename();
    if (file.starts_with("peeper." + name_ + ".") || file == "peeper." + name_)
      std::filesystem::remove(entry.path());
  }
  if (std::getenv("PEEPER_TEST_KEEP") == nullptr) remove_directory(directory_);
}

Spawn Instance::command() const {
  return {{(programs_ / "peeperd").string(), "--config", config_file(), "--socket", socket(), "--instance",
           name_, "--log-level", "debug"},
          {},
          directory_,
          (directory_ / "log").string()};
}

void Instance::start() {
  const std::string path = (directory_ / "notify.sock").string();
  std::filesystem::remove(path);
  const UniqueFd ready{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  require(::bind(ready.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0,
          "no socket " + path);
  Spawn spawn = command();
  spawn.environment.emplace_back("NOTIFY_SOCKET", path);
  daemon_ = std::make_unique<Process>(spawn);
  pollfd wanted{ready.get(), POLLIN, 0};
  const bool said = ::poll(&wanted, 1, static_cast<int>(kPatience.count() * 1000)) == 1;
  char text[64] = {};
  if (said) [[maybe_unused]]
    auto got = ::recv(ready.get(), text, sizeof text - 1, 0);
  require(std::string_view(text) == "READY=1", "peeperd did not start:\n" + log());
}

void Instance::stop() {
  require(daemon_ != nullptr, "no peeperd runs");
  daemon_->signal(SIGTERM);
  const auto status = daemon_->wait();
  require(status.has_value(), "peeperd does not stop:\n" + log());
  require(*status == 0, "peeperd ended with status " + std::to_string(*status) + ":\n" + log());
  daemon_.reset();
}

void Instance::kill_daemon() {
  daemon_->signal(SIGKILL);
  require(daemon_->wait().has_value(), "peeperd survives SIGKILL");
  daemon_.reset();
}

void Instance::kill(std::string_view server, Victims victims) {
  const Watch its_worker{worker(server)};
  const Watch its_keeper{keeper(server)};
  if (victims.worker) its_worker.kill(SIGKILL);
  if (victims.keeper) its_keeper.kill(SIGKILL);
  if (victims.daemon) kill_daemon();
  if (victims.worker || victims.daemon) require(its_worker.gone(), "the worker survives");
  if (victims.keeper || victims.daemon) require(its_keeper.gone(), "the keeper survives");
}

void Instance::kill_unseen(std::string_view server) {
  const Watch its_worker{worker(server)};
  const Watch its_keeper{keeper(server)};
  daemon_->signal(SIGSTOP);
  its_worker.kill(SIGKILL);
  its_keeper.kill(SIGKILL);
  kill_daemon();
  require(its_worker.gone() && its_keeper.gone(), "worker or keeper survives");
}

Talk Instance::talk() const {
  auto client = Connection::connect(socket(), kPatience);
  require(client.has_value(), (client ? "" : client.error().what) + "\n" + log());
  Talk talk{*std::move(client)};
  require(talk.reply({"HELLO", "3"}).has_value(), "no answer to HELLO");
  return talk;
}

resp::Reply Instance::child(std::string_view server) {
  Talk asker = talk();
  const auto children = asker.reply({"SUPERVISOR", "WHICH_CHILDREN"});
  require(children.has_value(), text_of(children));
  for (const auto& map : children->elements) {
    const resp::Reply* name = map.field("server");
    if (name != nullptr && name->text == server) return map;
  }
  throw std::runtime_error("there is no server " + std::string(server));
}

std::int64_t Instance::fact(std::string_view server, std::string_view name) {
  const resp::Reply map = child(server);
  const resp::Reply* field = map.field(name);
  require(field != nullptr, "no field " + std::string(name));
  return field->integer;
}

std::string Instance::text_fact(std::string_view server, std::string_view name) {
  const resp::Reply map = child(server);
  const resp::Reply* field = map.field(name);
  require(field != nullptr, "no field " + std::string(name));
  return field->text;
}

void Instance::await(const std::function<bool()>& condition) const {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!condition())
    if (std::chrono::steady_clock::now() > deadline) require(false, "never happened\n" + log());
}

void Instance::await_message(std::string_view server) {
  await([&] { return fact(server, "in_message") != 0; });
}

int Instance::worker(std::string_view server) { return static_cast<int>(fact(server, "worker")); }
int Instance::keeper(std::string_view server) { return static_cast<int>(fact(server, "keeper")); }

Ran Instance::peeper(std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(), {program("peeper"), "-s", socket()});
  return run({std::move(arguments), {}, directory_, {}});
}

std::string Instance::segment(std::string_view server) const {
  return "/dev/shm/peeper." + name_ + "." + std::string(server);
}

std::string Instance::log() const {
  std::ifstream file{directory_ / "log"};
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace peeper::test
