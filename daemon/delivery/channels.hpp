// The clients' own channels of one server, as the daemon has them: it makes them, passes their files
// to keeper and worker, tells their clients what becomes of the server, and takes no further part.
//
// Owner: Server. Thread: the loop's. Nothing blocks; making one takes the kernel some 100 us.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "common/segment/client_memory.hpp"
#include "common/segment/segment.hpp"
#include "common/unique_fd.hpp"

namespace peeper::daemon {

class Channels {
 public:
  explicit Channels(std::string server) : server_(std::move(server)) {}
  ~Channels() { close_all(); }
  Channels(const Channels&) = delete;
  Channels& operator=(const Channels&) = delete;

  // Another segment, after its recovery and before a worker: an earlier daemon's clients are gone.
  void attach(segment::Control& control);

  // To whom the files are passed; -1: there is none now. Whoever is new gets all.
  void set_keeper(int socket);
  void set_worker(int socket);

  struct Opened {
    std::uint32_t serial;
    std::uint64_t ring_bytes;
    int file;  // stays ours
  };
  // `ring_bytes`: is_client_ring(). `pid`: of the client, 0: not known. Failures are whole error
  // texts, as "BUSY …".
  Result<Opened> open(std::uint64_t ring_bytes, std::uint32_t pid);
  void close(std::uint32_t serial);
  void close_all();
  void show(segment::ClientState state);

  [[nodiscard]] std::size_t count() const { return channels_.size(); }

 private:
  struct Channel {
    segment::OpenedClient told;
    UniqueFd file;
    segment::ClientMemory memory;
  };
  [[nodiscard]] bool pass_to_keeper(const Channel& channel) const;
  [[nodiscard]] bool pass_to_worker(const Channel& channel) const;
  // Of what changed in the entries.
  void tell_worker();

  const std::string server_;
  segment::Control* control_ = nullptr;
  int keeper_ = -1;
  int worker_ = -1;
  segment::ClientState state_ = segment::ClientState::kOpen;
  std::vector<Channel> channels_;
};

}  // namespace peeper::daemon
