// The memory of a client's own channel, byte for byte: a memfd that the daemon makes and hands to
// one client, to the keeper and to each worker of one server. Beside the segment, so that a client
// sees nothing of that.
//
//   page 0      ClientHeader    the rings' ends, the bells
//   requests    ring            client → worker: MessageHead, then strings, as in a mailbox
//   replies     ring            worker → client: ReplyHead, then one RESP3 value
//
// Both rings have the same size, a power of two, which is told beside it and never read from it. The
// file is sealed: nobody can make it shorter under the others.
//
// The client can write all of it. Whatever it writes, it harms itself only: how far its requests
// are committed and its replies published is in the segment (ClientEntry), and what stands here is a
// copy for the client. Workers copy a request before they look at it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "common/segment/layout.hpp"

namespace peeper::segment {

enum class ClientState : std::uint32_t {
  kOpen = 0,
  kDown = 1,    // the server is down: requests wait for its return, nobody is to wait for replies
  kClosed = 2,  // no request is taken any more
};

enum class ClientFault : std::uint32_t {
  kNone = 0,
  kMalformed = 1,  // a request that is none, or ends that can't be
  kUnread = 2,     // a late reply found no room, for others were not read
};

struct ClientHeader {
  alignas(64) Atomic64 request_tail;  // writer: the client
  Atomic64 reply_head;                // writer: the client
  Atomic32 client_sleeps;   // 1: it is about to sleep on its bell, for a reply or for room. Writer:
                            // the client
  alignas(64) Atomic64 request_head;  // writer: the worker; copies of the committed slot's
  Atomic64 reply_tail;
  Atomic32 worker_sleeps;   // 1: it is about to sleep on its bell. Writer: the worker
  Atomic32 room_wanted;     // 1: it takes no request until half of the replies' ring is free, and
                            // wants its bell rung then. Writer: the worker
  std::atomic<ClientFault> fault;  // no request is taken any more. Writer: the worker
  alignas(64) std::atomic<ClientState> state;  // writer: the daemon
  alignas(64) Atomic32 client_bell;   // futex the client sleeps on; raised by the others
  alignas(64) Atomic32 worker_bell;   // futex the worker sleeps on; raised by the client
};
static_assert(sizeof(ClientHeader) == 320 && sizeof(ClientHeader) <= kPageBytes);
static_assert(offsetof(ClientHeader, request_head) == 64 && offsetof(ClientHeader, state) == 128);

// Of one ring. A request may have half of it, a reply a quarter: no request is taken before its
// reply is sure to find room.
inline constexpr std::uint64_t kLeastClientRing = 16 * 1024;
inline constexpr std::uint64_t kMostClientRing = 4 * 1024 * 1024;
inline constexpr std::uint64_t kUsualClientRing = 256 * 1024;

constexpr bool is_client_ring(std::uint64_t bytes) {
  return bytes >= kLeastClientRing && bytes <= kMostClientRing && (bytes & (bytes - 1)) == 0;
}
constexpr std::uint64_t client_file_bytes(std::uint64_t ring_bytes) {
  return kPageBytes + 2 * ring_bytes;
}

// What is told beside a channel's file to who serves it.
struct OpenedClient {
  std::uint32_t index;  // of its entry
  std::uint32_t serial;
  std::uint64_t ring_bytes;
};

}  // namespace peeper::segment
