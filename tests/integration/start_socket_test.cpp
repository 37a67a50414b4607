// Where peeperd listens, and that two of them never share a socket or an instance.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <thread>

#include "instance.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

namespace fs = std::filesystem;

// peeperd of this instance's configuration with another socket or instance, to its end.
Ran refused(const Instance& instance, const std::string& socket, const std::string& name) {
  return run({{program("peeperd"), "--config", instance.config_file(), "--socket", socket,
               "--instance", name},
              {},
              instance.directory(),
              ""});
}

Ran refused_at(const Instance& instance, const std::string& socket) {
  const Ran ran = refused(instance, socket, instance.name());
  CHECK_FALSE(fs::exists("/dev/shm/peeper." + instance.name()));
  CHECK_FALSE(fs::exists(instance.segment("counter")));
  return ran;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// A socket file as a killed daemon leaves it.
void leave_socket(const std::string& path) {
  const UniqueFd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
}

}  // namespace

TEST_CASE("a socket path that is too long is refused with its length") {
  const Instance instance{counter_config()};
  const std::string longest = (instance.directory() / std::string(200, 's')).string();
  const Ran ran = refused_at(instance, longest.substr(0, 108));
  CHECK(ran.exit_code != 0);
  CAPTURE(ran.err);
  CHECK(contains(ran.err, "108"));
  CHECK(contains(ran.err, "107"));
  // The same from the file.
  std::ofstream{instance.config_file()} << "[daemon]\nsocket = \"" + longest + "\"\n" +
                                               counter_config();
  const Ran from_file = run({{program("peeperd"), "--config", instance.config_file()}, {}, "", ""});
  CHECK(from_file.exit_code == 2);
  CHECK(from_file.err.starts_with(instance.config_file() + ":2:"));

  // One byte less fits.
  const Instance fits{counter_config()};
  const std::string most = (fits.directory() / std::string(200, 's')).string().substr(0, 107);
  Spawn spawn = fits.command();
  std::replace(spawn.command.begin(), spawn.command.end(), fits.socket(), most);
  Process daemon{spawn};
  fits.await([&] { return Connection::connect(most, kPatience).has_value(); });
  CHECK(Connection::connect(most, kPatience)->command({"PING"}, kPatience)->text == "PONG");
  daemon.signal(SIGTERM);
  REQUIRE(daemon.wait().has_value());
}

TEST_CASE("a directory that others may write to is refused for the socket") {
  const Instance instance{counter_config()};
  const fs::path open = instance.directory() / "open";
  fs::create_directory(open);
  for (const fs::perms mode : {fs::perms::all, fs::perms::all | fs::perms::sticky_bit}) {
    fs::permissions(open, mode);
    const Ran ran = refused_at(instance, open / "p.sock");
    CHECK(ran.exit_code == 1);
    CAPTURE(ran.err);
    CHECK(contains(ran.err, "the socket's directory " + open.string() +
                                " may be written by others"));
    CHECK(fs::is_empty(open));
  }
  const Ran missing = refused_at(instance, instance.directory() / "missing" / "p.sock");
  CHECK(missing.exit_code == 1);
  CHECK(contains(missing.err, "mkdir -m 0700 " + (instance.directory() / "missing").string()));
}

TEST_CASE("what is no socket is not replaced by ours") {
  const Instance instance{counter_config()};
  std::ofstream{instance.socket()} << "precious";
  const Ran ran = refused_at(instance, instance.socket());
  CHECK(ran.exit_code == 1);
  CHECK(contains(ran.err, instance.socket() + " exists and is not a socket"));
  CHECK(fs::file_size(instance.socket()) == 8);

  // Nor is what a symbolic link leads to.
  const fs::path link = instance.directory() / "link.sock";
  fs::create_symlink(instance.socket(), link);
  CHECK(contains(refused_at(instance, link).err, "exists and is not a socket"));
  CHECK(fs::is_symlink(link));
}

TEST_CASE("the socket a killed peeperd left behind is replaced") {
  Instance peeperd{counter_config()};
  leave_socket(peeperd.socket());
  peeperd.start();
  CHECK(peeperd.talk()({"CALL", "counter", "inc"}) == "1");
  peeperd.kill_daemon();
  CHECK(fs::is_socket(peeperd.socket()));
  peeperd.start();
  CHECK(peeperd.talk()({"CALL", "counter", "inc"}) == "2");
  peeperd.stop();
}

TEST_CASE("the socket has the mode that is configured, 0600 if none is") {
  Instance peeperd{counter_config()};
  peeperd.start();
  CHECK((fs::status(peeperd.socket()).permissions() & fs::perms::all) == fs::perms{0600});
  peeperd.stop();
  std::ofstream{peeperd.config_file()} << "[daemon]\nsocket_mode = \"0660\"\n" + counter_config();
  peeperd.start();
  CHECK((fs::status(peeperd.socket()).permissions() & fs::perms::all) == fs::perms{0660});
  peeperd.stop();
}

TEST_CASE("a second peeperd of the same instance is refused, and told which is the first") {
  Instance peeperd{counter_config()};
  peeperd.start();
  CHECK(peeperd.talk()({"CALL", "counter", "inc"}) == "1");
  for (const std::string& socket :
       {peeperd.socket(), (peeperd.directory() / "other.sock").string()}) {
    const Ran second = refused(peeperd, socket, peeperd.name());
    CHECK(second.exit_code == 1);
    CAPTURE(second.err);
    CHECK(contains(second.err, "another peeperd (pid " + std::to_string(peeperd.daemon().pid()) +
                                   ") runs instance '" + peeperd.name() + "'"));
  }
  CHECK_FALSE(fs::exists(peeperd.directory() / "other.sock"));
  // It took nothing from the first.
  CHECK(peeperd.talk()({"CALL", "counter", "inc"}) == "2");
  peeperd.stop();
}

TEST_CASE("a second peeperd on the same socket is refused") {
  Instance peeperd{counter_config()};
  peeperd.start();
  const std::string other = peeperd.name() + "b";
  const Ran second = refused(peeperd, peeperd.socket(), other);
  CHECK(second.exit_code == 1);
  CHECK(contains(second.err, "another process answers on " + peeperd.socket()));
  CHECK_FALSE(fs::exists("/dev/shm/peeper." + other));
  CHECK_FALSE(fs::exists("/dev/shm/peeper." + other + ".counter"));
  CHECK(peeperd.talk()({"CALL", "counter", "inc"}) == "1");
  peeperd.stop();
}

TEST_CASE("kill -9 frees the instance for the next peeperd") {
  Instance peeperd{counter_config()};
  peeperd.start();
  const std::string lock = "/dev/shm/peeper." + peeperd.name();
  for (int i = 1; i <= 5; ++i) {
    CHECK(peeperd.talk()({"CALL", "counter", "inc"}) == std::to_string(i));
    peeperd.kill_daemon();
    CHECK(fs::exists(lock));
    peeperd.start();
  }
  std::ifstream stream{lock};
  int pid = 0;
  stream >> pid;
  CHECK(pid == peeperd.daemon().pid());
  peeperd.stop();
  CHECK_FALSE(fs::exists(lock));
}

// A child between fork and exec has all that its parent had, the lock as well.
TEST_CASE("a killed peeperd's lock that what it was just starting still holds is waited for") {
  Instance peeperd{counter_config()};
  peeperd.start();
  peeperd.kill_daemon();  // its pid is in the lock
  UniqueFd held{::open(("/dev/shm/peeper." + peeperd.name()).c_str(), O_RDWR | O_CLOEXEC)};
  REQUIRE(::flock(held.get(), LOCK_EX | LOCK_NB) == 0);
  std::thread child{[&held] {
    std::this_thread::sleep_for(std::chrono::milliseconds{300});
    held.reset();
  }};
  CHECK_NOTHROW(peeperd.start());
  child.join();
  CHECK(peeperd.talk()({"CALL", "counter", "inc"}) == "1");
  peeperd.stop();
}
