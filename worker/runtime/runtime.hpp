// The worker's one loop: takes a message from the mailbox, runs it as a transaction on the heap,
// publishes, and sleeps when there is none.
//
// Between two messages it allocates nothing and, while messages are there and the daemon is awake,
// makes no system call. It ends the process: by die() when a callback throws, by returning when
// asked to stop. Thread: main, and only that.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/segment/segment.hpp"
#include "common/segment/transaction.hpp"
#include "peeper/abi.hpp"
#include "worker/runtime/heap.hpp"

namespace peeper::worker {

struct InitArguments {
  bool named = false;
  std::vector<std::string> values;
};

class Runtime {
 public:
  // `bell`: the daemon's eventfd. Everything passed outlives the process.
  Runtime(segment::Segment& segment, const abi::Behaviour& behaviour, int bell);

  // First start: formats the heap and runs init, in one transaction. Otherwise checks that the
  // State is the behaviour's own.
  void start(const InitArguments& arguments);

  // Until SIGTERM or a callback's stop(); then terminate(reason). Returns the exit status.
  int run();

 private:
  enum class Next { kGoOn, kStop };

  Next handle(const segment::Ring::Found<segment::MessageHead>& message);
  Next dispatch(const segment::MessageHead& head);
  void reply(const segment::MessageHead& head, std::string_view value);
  void ring_daemon(bool replied);
  void wait_for_message(std::uint64_t head);
  void wait_for_room();
  void ring();
  void terminate();
  void begin(segment::Channel channel, std::uint64_t position, PageGuard::Access access);
  void commit(std::uint64_t mailbox_head);
  void show_memory();
  [[nodiscard]] PageGuard::Access access_of(segment::MessageType type) const;

  // Runs behaviour code. The only place where what it throws is caught: the process dies of it.
  template <class Callback>
  decltype(auto) barrier(Callback&& callback);

  segment::Segment& segment_;
  segment::Control& control_;
  const abi::Behaviour& behaviour_;
  const int bell_;
  segment::Transaction transaction_;
  PageGuard guard_;
  Heap heap_;
  void* object_ = nullptr;  // the behaviour's, in ordinary memory
  std::vector<abi::Bytes> strings_;
  std::string value_;  // of the reply under construction; keeps its memory
  std::string stop_reason_ = "shutdown";
};

}  // namespace peeper::worker
