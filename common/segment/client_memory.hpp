// The mapping of a client's own channel, for each of the four that have one: client, daemon, keeper,
// worker.
#pragma once

#include <cstdint>

#include "common/result.hpp"
#include "common/segment/client_layout.hpp"
#include "common/segment/ring.hpp"
#include "common/unique_fd.hpp"

namespace peeper::segment {

// Makes the file: sealed, with memory that can't be missing later. `ring_bytes`: is_client_ring().
[[nodiscard]] Result<UniqueFd> make_client_file(std::uint64_t ring_bytes);

// Owner: whoever holds it; move-only. Thread: its owner's. Not inherited by children of fork.
class ClientMemory {
 public:
  ClientMemory() = default;
  // The descriptor isn't needed after that. Fails where the file is not what make_client_file()
  // makes, of that size.
  static Result<ClientMemory> map(int fd, std::uint64_t ring_bytes);
  ClientMemory(ClientMemory&& other) noexcept;
  ClientMemory& operator=(ClientMemory&& other) noexcept;
  ~ClientMemory();

  [[nodiscard]] ClientHeader& header() const {
    return *reinterpret_cast<ClientHeader*>(memory_);
  }
  [[nodiscard]] Ring requests() const { return {memory_ + kPageBytes, ring_bytes_}; }
  [[nodiscard]] Ring replies() const { return {memory_ + kPageBytes + ring_bytes_, ring_bytes_}; }

 private:
  std::byte* memory_ = nullptr;
  std::uint64_t ring_bytes_ = 0;
};

// Wakes the client, if it sleeps. After what it is woken for was stored.
void ring_client(ClientHeader& header);

}  // namespace peeper::segment
