// The worker's one loop: takes what is next - a message from the mailbox, a timer that is due, what
// a callback asked to be continued with - runs it as a transaction on the heap, publishes, and
// sleeps when there is nothing.
//
// Between two messages it allocates nothing and, while messages are there and the daemon is awake,
// makes no system call. It ends the process: by die() when a callback throws, by returning when
// asked to stop. Thread: main, and only that.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <span>
#include <vector>

#include "common/busy_poll.hpp"
#include "common/segment/client_channels.hpp"
#include "common/segment/segment.hpp"
#include "common/segment/transaction.hpp"
#include "peeper/abi.hpp"
#include "worker/runtime/call_time.hpp"
#include "worker/runtime/exception_text.hpp"
#include "worker/runtime/heap.hpp"
#include "worker/runtime/services.hpp"
#include "worker/runtime/tokens.hpp"

namespace peeper::worker {

struct InitArguments {
  bool named = false;
  std::vector<std::string> values;
};

struct RuntimeOptions {
  std::uint32_t incarnation = 1;
  std::uint32_t retries = 0;                                 // of a message whose worker died
  std::size_t dedupe_window = 10'000;                       // tokens
  std::optional<std::chrono::milliseconds> hibernate_after;  // none: never
  std::uint32_t break_even = kNeverHot;  // see measure_break_even()
  BusyPollLimits busy_poll;  // for messages, before sleeping
  pid_t daemon = 0;      // whose death is noticed
  bool upgrade = false;  // a former State may be changed into the behaviour's
};

class Runtime {
 public:
  struct Descriptors {
    int bell;  // the daemon's eventfd
    int line;  // from the daemon (launch.hpp)
  };
  // Everything passed outlives the process.
  Runtime(segment::Segment& segment, const abi::Behaviour& behaviour, Descriptors descriptors,
          RuntimeOptions options);

  // First start: formats the heap and runs init, in one transaction. Otherwise checks that the
  // State is the behaviour's own, or makes it so. Then handle_start.
  void start(const InitArguments& arguments);

  // Until SIGTERM or a callback's stop(); then terminate(reason). Returns the exit status.
  int run();

 private:
  // Of a message's name, in errors and logs.
  static constexpr std::size_t kShownName = 64;
  // Sleeps are cut into pieces that futex and clock can't get wrong.
  static constexpr std::uint64_t kLongestSleepNs = 3'600'000'000'000;

  // What a callback left behind, in ordinary memory.
  struct Outcome {
    std::string value;        // of the reply; keeps its memory
    std::string stop_reason;
    std::optional<abi::Then> then;
    std::uint64_t then_ns = 0;
    std::string continuation;
    std::size_t most_value = 0;
  };
  // The sink that fills outcome_, emptied.
  abi::Sink fresh_sink();

  using Message = segment::Ring::Found<segment::MessageHead>;

  // --- Start (runtime_start.cpp) ---
  void first_start(const InitArguments& arguments);
  void adopt_state();
  void change_code(const abi::CodeChange& change);
  [[nodiscard]] bool is_judged() const;
  void begin_start(segment::Channel channel);
  void settle_last();
  void handle_start();
  void run_start();

  // --- The loop (runtime.cpp) ---
  // What the heap holds for now; false if nothing.
  bool run_kept(std::uint64_t head);
  void wait_for_message(std::uint64_t head);
  void sleep(std::uint64_t tail, std::uint64_t most_ns);
  bool look_for_mail(std::uint64_t tail, std::uint32_t bell, std::uint64_t most_ns);
  void hibernate();
  void terminate();

  // --- Clients' own channels (runtime_clients.cpp) ---
  [[nodiscard]] bool have_clients_changed() const {
    return control_.mailbox.clients_changed.load(std::memory_order_acquire) != clients_seen_;
  }
  void attend_clients();
  [[nodiscard]] bool has_client_mail();
  // The next request of the channels, which take turns; false if there is none.
  bool run_client();
  void handle_request(segment::ClientChannel& client);
  // As futex_wait() on the mailbox's bell, and on those of the channels.
  void wait_for_bells(std::uint32_t seen, std::uint64_t most_ns);

  // --- Suspended (runtime_suspend.cpp) ---
  [[nodiscard]] std::uint32_t wanted_suspension() const {
    return control_.mailbox.suspension.load(std::memory_order_relaxed);
  }
  void obey(std::uint32_t suspension);
  bool handle_system_message(std::uint64_t tail);

  // --- One transaction each (runtime_messages.cpp) ---
  void handle(const Message& message);
  [[nodiscard]] bool has_deadline(const segment::MessageHead& head) const;
  [[nodiscard]] bool is_too_late(std::uint64_t deadline, std::uint64_t now);
  void skip(const Message& message);
  // strings_ from a record; its token apart. None: it is malformed.
  [[nodiscard]] std::optional<std::string_view> read_message(const segment::MessageHead& head,
                                                             std::span<const std::byte> body);
  void take_up(const Message& message);
  void handle_system(const segment::MessageHead& head);
  void handle_get_state();
  void handle_replace_state();
  void handle_user(const segment::MessageHead& head, std::string_view token);
  void handle_continue();
  void report_dropped_continue(std::string_view argument) const;
  void handle_timer(std::uint64_t number);
  void handle_timeout();
  void run_info(abi::MessageKind kind, std::uint64_t reference);
  void settle_call(abi::Action action, const abi::From& from, std::string_view token);
  void settle_info(abi::Action action);
  void apply_then();
  std::string_view first_reply(const Tokens::Entry& entry);
  [[nodiscard]] PageGuard::Access access_of(const segment::MessageHead& head);
  // Takes out of the heap what was to run there; a timer's message becomes a dead letter.
  void drop_kept(segment::Channel channel, std::uint64_t number, segment::Dying dying);
  void keep_as_letter(const Timer& timer, const segment::Dying& dying);
  // Notes a message of another server that is dropped as one that came.
  void note_dropped(const segment::Dropped& message);

  // --- Around each transaction ---
  void begin(segment::Channel channel, std::uint64_t position, PageGuard::Access access,
             std::uint32_t client = 0);
  void enter(segment::Channel channel, std::uint64_t position, PageGuard::Access access);
  void commit(std::uint64_t mailbox_head);
  [[nodiscard]] bool is_state_watched();
  void count_change();
  void show_memory();

  // Runs behaviour code. The only place where what it throws is caught: the process dies of it.
  template <class Callback>
  decltype(auto) barrier(Callback&& callback) {
    try {
      return callback();
    } catch (...) {
      fail(exception_text());
    }
  }
  [[noreturn]] void fail(std::string text);
  [[nodiscard]] std::string shown_name() const;
  bool terminate_after(const std::string& text);

  segment::Segment& segment_;
  segment::Control& control_;
  const abi::Behaviour& behaviour_;
  const RuntimeOptions options_;
  segment::Transaction transaction_;
  segment::ClientChannels clients_;
  PageGuard guard_;
  Heap heap_;
  Services services_;
  void* object_ = nullptr;  // the behaviour's, in ordinary memory

  // Of the transaction that runs.
  struct Running {
    segment::Channel channel = segment::Channel::kNone;
    std::uint64_t position = 0;  // as in InFlight
    std::uint64_t mailbox_head = 0;  // after it
    std::uint64_t system_done = 0;   // after it, if it is out of its turn; else 0
    segment::Dropped if_dropped{};   // of a message of another server
    segment::ClientChannel* client = nullptr;  // whose request it is; and that ends there:
    std::uint64_t request_head = 0;
    segment::MessageHead message{};  // of the mailbox
    std::span<const std::byte> body;
    abi::From from{};
    std::string name;  // its first kShownName bytes; keeps its memory
  };
  Running running_;
  Outcome outcome_;
  std::vector<abi::Bytes> strings_;

  bool has_started_ = false;       // handle_start ran
  bool stops_ = false;             // a callback said so
  BusyPoll busy_poll_;
  std::uint32_t handled_ = 0;       // messages, since the last wait
  CallTime call_time_;              // where late calls are skipped
  const int line_;
  std::uint32_t clients_seen_;      // of MailboxEnds::clients_changed
  std::size_t last_client_ = 0;     // whose turn it was
  bool clients_turn_ = false;
  std::vector<std::byte> request_;  // a copy of its body; keeps its memory
  bool hibernates_ = false;        // before the next wait
  bool hibernated_ = false;        // since anything ran
  bool timer_had_its_turn_ = false;
  std::uint64_t last_changed_ = 0;     // where in the journal a change was found last
  std::uint32_t obeyed_ = 0;           // the suspension
  std::uint64_t system_seen_ = 0;      // while suspended, up to here in the mailbox
};

}  // namespace peeper::worker
