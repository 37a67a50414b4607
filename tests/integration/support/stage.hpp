// One server on a stage: the real peeper-keeper and peeper-worker, both traced, and the test in the
// daemon's part. Each stands still wherever the test left it, so nothing here happens by chance.
//
//   keeper    stands before recvmsg on its control socket
//   worker    stands before it falls asleep, no message being there
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/launch.hpp"
#include "common/segment/death.hpp"
#include "common/segment/segment.hpp"
#include "common/unique_fd.hpp"
#include "traced.hpp"

namespace peeper::test {

using Strings = std::vector<std::string>;

struct Server {
  std::string name;  // of the server and of its behaviour
  std::uint64_t state_bytes;
  std::uint64_t ring_bytes;
  Strings arguments;  // of init
  bool is_asked_first = false;  // its reads_only, before each call
};

// The caller of each message, as the worker sees it.
inline constexpr std::uint64_t kRequest = 7;

class Stage {
 public:
  explicit Stage(Server server, std::string worker_program = {});  // peeper-worker, if not given
  ~Stage();                                                        // removes the segment

  // A new keeper, in place of the one there was; it makes the segment if there is none.
  void start_keeper();
  // What the keeper says of it. `death` is what the daemon saw.
  launch::ToDaemon recover(const segment::Death& death);
  // The two halves of it.
  void ask_to_recover(const segment::Death& death);
  [[nodiscard]] bool is_recovered(launch::ToDaemon& packet);

  // A new worker, in place of the one there was, before its first instruction.
  struct Code {
    std::string behaviour = {};  // the server's, if not given
    bool is_upgrade = false;     // it may change the State
  };
  void launch_worker(const Code& code);
  // And goes on until it is about to sleep.
  void start_worker() { start_worker(Code{}); }
  void start_worker(const Code& code);
  // Puts a call, or what else is given, into the mailbox. Nobody runs yet.
  void push(const Strings& message, segment::MessageType type = segment::MessageType::kCall);
  // The worker goes on until it sleeps and is suspended. Until the next one is launched.
  void suspend();
  // The worker goes on until it is about to sleep.
  void finish();
  // push, finish, and the reply.
  std::string call(const Strings& message);
  // The committed replies, taken out of their ring.
  Strings take_replies();
  // By SIGKILL. Returns the death as the daemon sees it.
  segment::Death kill_worker();
  // Is the worker as it is when it sleeps, though perhaps not there yet?
  [[nodiscard]] bool is_idle() const;

  [[nodiscard]] Traced& keeper() { return *keeper_; }
  [[nodiscard]] Traced& worker() { return *worker_; }
  [[nodiscard]] const segment::Segment& segment() const { return *segment_; }
  [[nodiscard]] const Server& server() const { return server_; }
  // Files whose code the worker runs.
  [[nodiscard]] std::string library() const { return library_of(server_.name); }
  [[nodiscard]] const std::string& worker_program() const { return worker_program_; }

  // The segment's bytes: all that is reserved of it.
  struct Image {
    std::uint64_t reserved;
    std::vector<std::byte> bytes;
  };
  [[nodiscard]] Image image() const;
  // Kills the worker, if there is one, first. The keeper stands still, or there is none.
  void restore(const Image& image);

 private:
  [[nodiscard]] static std::string library_of(const std::string& behaviour);
  [[nodiscard]] std::vector<std::span<std::byte>> parts(std::uint64_t reserved) const;

  const Server server_;
  const std::string worker_program_;
  const segment::SegmentId id_;
  UniqueFd bell_;
  UniqueFd control_;
  std::uint32_t incarnation_ = 0;
  std::unique_ptr<Traced> keeper_;
  std::unique_ptr<Traced> worker_;
  std::unique_ptr<segment::Segment> segment_;
};

// A name that no other process and no other caller has.
std::string fresh_instance_name();

}  // namespace peeper::test
