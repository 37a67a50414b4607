// A peeperd of the test's own: private directory, socket, instance name and configuration.
#pragma once

#include <filesystem>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/client/connection.hpp"
#include "process.hpp"

namespace peeper::test {

// What a client got, as one line: an integer as digits, a text as itself, an error with '-' before
// it, null as "(nil)", containers in brackets; "(failure) …" when there was no reply.
std::string text_of(const Result<resp::Reply>& reply);

// The first line that has this word; empty: none has it.
std::string line_with(const std::string& text, std::string_view word);

// A client whose answers are texts.
class Talk {
 public:
  explicit Talk(Connection client) : client_(std::move(client)) {}
  std::string operator()(std::initializer_list<std::string_view> command);
  Result<resp::Reply> reply(std::initializer_list<std::string_view> command);
  void send(std::initializer_list<std::string_view> command);
  void send_raw(std::string_view bytes);
  std::string receive();
  Connection& client() { return client_; }

 private:
  Connection client_;
};

class Instance {
 public:
  // `config`: everything but [daemon]. Nothing is started yet.
  explicit Instance(std::string config);
  // Ends everything and removes its segments. A test fails that leaves a process behind.
  ~Instance();

  // Waits until clients are served.
  void start();
  // Orderly, by SIGTERM: the exit status must be 0.
  void stop();
  // SIGKILL. Waits for the daemon's end only.
  void kill_daemon();
  struct Victims {
    bool worker = true;
    bool keeper = true;
    bool daemon = true;
  };
  // SIGKILL to those of the server, as near to each other as that many system calls are; waits for
  // their end. A daemon takes its server's worker and keeper with it.
  void kill(std::string_view server, Victims victims);
  void kill_all_three(std::string_view server) { kill(server, {true, true, true}); }
  // The same to all three, and peeperd sees none of the others die.
  void kill_unseen(std::string_view server);
  [[nodiscard]] Process& daemon() { return *daemon_; }

  [[nodiscard]] Talk talk() const;
  // Of the server now, asked by SUPERVISOR; 0: none.
  [[nodiscard]] int worker(std::string_view server);
  [[nodiscard]] int keeper(std::string_view server);
  [[nodiscard]] std::int64_t fact(std::string_view server, std::string_view name);
  [[nodiscard]] std::string text_fact(std::string_view server, std::string_view name);

  // Asks until it is so; a failure if it never is. For what no event tells.
  void await(const std::function<bool()>& condition) const;
  // Until the server's worker runs a callback.
  void await_message(std::string_view server);

  // Runs `peeper` with this socket.
  [[nodiscard]] Ran peeper(std::vector<std::string> arguments) const;

  [[nodiscard]] const std::filesystem::path& directory() const { return directory_; }
  [[nodiscard]] std::string socket() const { return (directory_ / "peeperd.sock").string(); }
  [[nodiscard]] std::string config_file() const { return (directory_ / "peeperd.toml").string(); }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] std::string segment(std::string_view server) const;
  [[nodiscard]] std::string log() const;
  // Where its three programs are from the next start on, in place of the build's.
  void run_from(std::filesystem::path programs) { programs_ = std::move(programs); }
  // How peeperd is started; for tests that change something about it.
  [[nodiscard]] Spawn command() const;

 private:
  resp::Reply child(std::string_view server);

  std::string name_;
  std::filesystem::path directory_;
  std::filesystem::path programs_ = PEEPER_BIN_DIR;
  std::unique_ptr<Process> daemon_;
};

std::string program(std::string_view name);

// PEEPER_SEED, else a new one. Print it: CAPTURE(seed).
std::uint32_t fresh_seed();

// "[[server]]" of the counter example, restart intensity off.
std::string counter_config(std::string_view name = "counter", std::string_view more = "");

}  // namespace peeper::test
