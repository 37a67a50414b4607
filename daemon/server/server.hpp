// One server as the daemon sees it: its keeper, its worker, its rings, and who waits for replies.
// What to do when is decided by the lifecycle; this does it.
//
// Owner: Runtime. Thread: the loop's. Never blocks but for launching a process.
#pragma once

#include <boost/asio/generic/seq_packet_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <filesystem>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/launch.hpp"
#include "common/segment/dead_letters.hpp"
#include "common/segment/history.hpp"
#include "common/segment/judgement.hpp"
#include "common/unique_fd.hpp"
#include "daemon/config/config.hpp"
#include "daemon/counts/traffic.hpp"
#include "daemon/delivery/calls.hpp"
#include "daemon/delivery/channels.hpp"
#include "daemon/delivery/courier.hpp"
#include "daemon/delivery/receiver.hpp"
#include "daemon/delivery/rings.hpp"
#include "daemon/inspection/debug.hpp"
#include "daemon/inspection/inspector.hpp"
#include "daemon/inspection/message_list.hpp"
#include "daemon/inspection/state_question.hpp"
#include "daemon/inspection/state_watch.hpp"
#include "daemon/listeners/keeper_listeners.hpp"
#include "daemon/loop/lookout.hpp"
#include "daemon/loop/sockets.hpp"
#include "daemon/output/output_log.hpp"
#include "daemon/process/child.hpp"
#include "daemon/process/crash_exec.hpp"
#include "daemon/process/leash.hpp"
#include "daemon/server/standbys.hpp"
#include "daemon/server/suspension.hpp"
#include "daemon/server/upgrade.hpp"
#include "daemon/supervision/lifecycle.hpp"
#include "daemon/supervision/watchdog.hpp"

namespace peeper::daemon {

// Where the two programs are, and where behaviours are looked for.
struct Programs {
  std::filesystem::path keeper;
  std::filesystem::path worker;
  std::filesystem::path crash_exec;
  config::SearchPath behaviours;
  int own_oom_score_adj = 0;  // what peeperd was started with
};

enum class Role { kKeeper, kWorker, kStandby };

class Server;

// The supervision above a server: it is told what becomes of it. Told in the middle of things, so
// nothing of the server may be called from there.
class Supervision {
 public:
  virtual ~Supervision() = default;

  // After start(): messages are accepted, or it is down.
  virtual void on_started(Server& server) = 0;
  virtual void on_held(Server& server) = 0;     // after hold()
  virtual void on_stopped(Server& server) = 0;  // after stop()
  // By itself. It waits for start().
  virtual void on_crashed(Server& server) = 0;
  // By itself: down, for good if its restart type says so.
  virtual void on_ended(Server& server, Exit exit) = 0;
  virtual void on_down(Server& server) = 0;
  virtual void on_back(Server& server) = 0;
};

enum class StopReason { kDaemonEnds, kTerminated, kGroupEnded };

class Server : public Receiver, private Awaited, private Sockets::User, private StateSource {
 public:
  Server(boost::asio::io_context& loop, const Programs& programs, std::string instance,
         config::ServerSection section, std::filesystem::path library, Exchange& exchange,
         Sockets& sockets, Lookout& lookout, Supervision& supervision);
  ~Server() override;
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // After the making, a hold, a stop, or when it went down. on_started() follows.
  void start();
  // Its worker ends in order; messages are accepted, and wait. on_held() follows.
  void hold();
  // Nothing of it runs any more when on_stopped() follows. The segment stays.
  void stop(StopReason reason);
  // Whether the strategy above restarts siblings when its worker crashes: then it waits for that.
  void set_asks(bool asks) { life_.policy.asks = asks; }
  // After on_stopped(), for the time until it is destroyed: it waits for nothing any more.
  void retire();
  [[nodiscard]] bool may_be_destroyed() const { return departed_.empty(); }

  enum class Sent { kDone, kFull, kTooBig, kDown };
  // A client's message for the mailbox. With a target its reply, or the error in its stead, is
  // delivered by the deadline; `request` is found here.
  Sent send(Message message, ReplyTarget target, Instant deadline);
  Sent send(const Message& message);

  // A channel of the client's own; see Channels. Also of one that starts or recovers.
  Result<Channels::Opened> open_channel(std::uint64_t ring_bytes, std::uint32_t pid);
  void close_channel(std::uint32_t serial) { channels_.close(serial); }

  // Receiver, for other servers' messages. The texts also after send()'s kDown and kTooBig.
  [[nodiscard]] Answer take(const Message& message) override;
  void wait_for_room(std::weak_ptr<RoomWaiter> waiter) override;
  [[nodiscard]] std::string down_text() const override;
  [[nodiscard]] std::string too_big_text() const override;
  // Of its segment. None: no segment is attached yet, or never will be.
  [[nodiscard]] std::optional<std::uint64_t> uid() const;
  // To others; it may still be ending.
  [[nodiscard]] bool is_down() const { return life_.is_down(); }
  [[nodiscard]] bool may_still_attach() const { return !rings_ && life_.goal != Goal::kDown; }

  // False if there is no such process now.
  bool signal(Role role, int number);

  // Other code for the same state. Only while the server shall run (is_running()), and no other
  // change is under way. The caller is answered at the end, however that is.
  void change_code(Upgrade upgrade);
  [[nodiscard]] bool is_changing_code() const { return upgrade_.has_value(); }
  // Only while is_running(). The caller is answered once the worker handles nothing any more.
  void suspend(ReplyTarget caller);
  void resume();
  // The committed state, or what `path` names of it; whatever the server does. Answered within
  // limits::kCallTimeout, or TIMEOUT.
  void get_state(std::string path, ReplyTarget asker);
  // What its behaviour lists of its messages; whatever the server does.
  void list_messages(ReplyTarget asker);
  // Whether the channel that is its name has subscribers: they are told of its State's changes, and
  // of its workers' ends.
  void set_followed(bool followed) { watch_.set_followed(followed); }
  [[nodiscard]] bool is_running() const {
    return life_.goal == Goal::kRun && !life_.coming_back && rings_;
  }
  [[nodiscard]] const config::SearchPath& search_path() const { return programs_.behaviours; }

  [[nodiscard]] Debug& debug() { return debug_; }
  [[nodiscard]] const Traffic& traffic() const { return traffic_; }
  // One that a client was answered by others for a message to this server.
  void note_error(std::string_view value) { traffic_.note_error(value); }
  // nullptr: it has none.
  [[nodiscard]] KeeperListeners* listeners() const { return listeners_.get(); }
  // What its workers wrote.
  [[nodiscard]] const OutputLog& output() const { return output_; }

  // --- Crashes and dead letters (server_crashes.cpp), each as one RESP3 value --------------------
  [[nodiscard]] std::vector<std::string> crashes() const;
  [[nodiscard]] std::optional<std::string> crash(std::uint64_t number) const;
  [[nodiscard]] std::vector<std::string> letters() const;
  [[nodiscard]] std::optional<std::string> letter(std::uint64_t number) const;
  // False: there is none of that number.
  bool drop_letter(std::uint64_t number);
  std::size_t drop_letters();
  enum class Retried { kDone, kNoLetter, kAnswer, kFull, kTooBig, kDown };
  // Its message is in the mailbox again, and nobody waits for its reply; it is no letter any more.
  Retried retry_letter(std::uint64_t number, std::uint32_t pid);

  // --- What ls and status show -------------------------------------------------------------------
  struct Facts {
    // "starting", "running", "suspended", "recovering", "restarting", "upgrading", "down",
    // "stopping"
    std::string_view state;
    int keeper_pid;          // 0: none
    int worker_pid;
    int standby_pid;         // of the next one
    int observer_pid;
    std::uint32_t incarnation;
    std::uint64_t crashes;
    std::size_t mailbox;     // messages accepted, not committed
    bool in_message;         // a callback runs, or ran when the worker died
    std::size_t calls;       // waiting for their reply
    std::size_t channels;    // of clients' own
    std::uint64_t skipped;   // calls that were late, since the segment was made
    std::size_t outgoing;    // messages to others that have not arrived
    std::uint64_t dropped;   // of those, never will, since peeperd's start
    std::uint64_t sequence;
    std::uint64_t heap_reserved;    // bytes, as those below
    std::uint64_t heap_used;
    std::uint64_t heap_high_water;
    std::uint64_t journal_faults;   // pages, of this incarnation
    std::uint64_t journal_copies;
    std::uint64_t hot_pages;
    std::uint64_t break_even;
    std::uint64_t state_writes;     // transactions, as long as this daemon has had it
    std::uint64_t state_changes;    // of those, that changed it
    std::uint64_t commits_timed;    // of this incarnation
    std::uint64_t commit_ns;        // of those
    std::chrono::milliseconds uptime;  // of the worker since it was ready; 0: there is none
    double calls_per_second;        // answered lately
    std::uint64_t p99_ns;           // of those; 0: none
    std::size_t letters;     // dead ones that are kept
    std::uint64_t lost;      // that had to make room
    std::string last_crash;  // empty: none
    std::optional<std::chrono::milliseconds> comes_back_in;  // down, and tries by itself then
  };
  [[nodiscard]] Facts facts();
  [[nodiscard]] const config::ServerSection& section() const { return section_; }
  [[nodiscard]] const std::string& name() const override { return section_.name; }
  [[nodiscard]] const std::filesystem::path& library() const { return library_; }
  // As configured, until a code change.
  [[nodiscard]] const std::string& behaviour() const { return behaviour_; }
  [[nodiscard]] bool blocks_when_full() const {
    return section_.overflow == config::Overflow::kBlock;
  }

 private:
  // A keeper that owes an answer longer than this hangs: it waits at most 5 s for anything itself.
  static constexpr std::chrono::seconds kKeeperPatience{15};
  // So long a keeper that is to stop may stay until its listeners know of the worker's end.
  static constexpr std::chrono::seconds kListenersGrace{2};

  void happen(Event event);
  void act(Action action);

  void launch_keeper();
  // Its workers' user, where that isn't ours.
  [[nodiscard]] std::optional<uid_t> segment_owner() const {
    const auto& account = section_.process.account;
    return account ? std::optional<uid_t>{account->user} : std::nullopt;
  }
  LaunchSpec behaviour_spec();
  LaunchSpec worker_spec();
  void launch_worker();
  void on_worker_ready();
  void launch_failed(EventType event, const Failure& failure);
  void receive_from_keeper();
  void on_keeper_packet(const launch::ToDaemon& packet);
  void on_recovered(const launch::ToDaemon& packet);
  [[nodiscard]] std::string_view next_text(bool refused) const;
  void tell_keeper(const launch::ToKeeper& request);
  void stop_keeper();
  enum class Attached { kDone, kNotNow, kNever };
  Attached attach_rings();
  void forsake_keeper();
  void on_keeper_exit(int wait_status);
  void on_worker_exit(std::uint32_t incarnation, int wait_status);
  void on_worker_end(int wait_status, segment::Observed observed);
  [[nodiscard]] std::optional<int> foretold_end() const;
  [[nodiscard]] bool has_stopped() const;
  void watch_callbacks();
  void look_at_callback();
  void show_worker_to_keeper();
  void show_suspension();
  [[nodiscard]] bool is_suspended() const;
  void look_at_suspension();
  void answer_suspenders(const std::string& value);
  void forget_suspension();
  [[nodiscard]] bool is_callback_slow() const;
  void ask_worker(StateQuestion& question);
  [[nodiscard]] std::optional<ReplyTarget> take_question(std::uint64_t request);
  [[nodiscard]] bool needs_inspector(const StateQuestion& question) const;
  void inspect_next();
  void on_inspected(const Result<std::string>& answer);
  void inspect_again();
  void answer_inspected(const std::string& value);
  void watch_questions();
  void await_look();
  void look_at_questions();
  void fail_questions();
  // StateSource (server_watch.cpp)
  [[nodiscard]] StateSource::Moment state_moment() const override;
  void arm_state_bell() override;
  [[nodiscard]] LaunchSpec observer_spec() override;
  void ask_for_state(std::function<void(std::string_view value)> on_value) override;
  void publish_state_event(const StateEvent& event) override;
  void take_over_counts();
  void watch_upgrade();
  void hand_over();
  void launch_upgraded();
  void end_upgrade(Action how);
  [[nodiscard]] bool has_new_code_committed() const;
  [[nodiscard]] std::string undone_text(const Upgrade& upgrade) const;
  void prepare_crash_exec();
  void tell_of_crash(std::uint64_t number);
  [[nodiscard]] std::optional<segment::Crash> find_crash(std::uint64_t number) const;
  [[nodiscard]] std::optional<segment::Letter> find_letter(std::uint64_t number) const;
  [[nodiscard]] bool accepts_messages() const;
  void announce_down();
  void announce_stopped();
  void settle_start();
  void tell_stopped();

  // Sockets::User: the bell, and the worker's.
  void on_ready(std::uint32_t) override { on_bell(); }
  void settle() override;
  void on_bell();
  // Awaited
  [[nodiscard]] bool awaits_replies() const override;
  [[nodiscard]] bool has_replies() const override;
  void take_replies() override;
  void bell_on() override { drain(); }
  void bell_off() override;
  Rings::Push push(const Message& message);
  void drain();
  Rings::Drain drain_batch();
  void drain_to_the_end();
  void on_damaged_replies();
  void on_damaged_outbox();
  void deliver(std::uint64_t request, std::string_view value);
  void count_message(const Message& message);
  void count_answer(const ReplyTarget& target, std::string_view value);
  void count_crash(std::uint64_t number);
  [[nodiscard]] std::uint64_t ns_since(const ReplyTarget& target) const;
  void offer_room();
  void fail_calls(const std::string& error);
  void watch_deadlines();
  void after(boost::asio::steady_timer& timer, std::chrono::milliseconds delay, EventType event);
  static void disarm(boost::asio::steady_timer& timer);

  boost::asio::io_context& loop_;
  const Programs& programs_;
  const std::string instance_;
  const config::ServerSection section_;
  std::string behaviour_;          // its name for people
  std::filesystem::path library_;  // of the worker that runs, or is being started
  Lifecycle life_;

  std::unique_ptr<Child> keeper_;
  std::unique_ptr<Child> worker_;
  // Workers that have given up the segment, and whose processes the kernel is still taking down.
  // Nothing waits for them, nothing is sent to them.
  struct Departed {
    std::uint32_t incarnation;
    std::unique_ptr<Child> process;
  };
  std::vector<Departed> departed_;
  boost::asio::generic::seq_packet_protocol::socket control_;
  launch::ToDaemon packet_{};
  boost::asio::socket_base::message_flags packet_flags_ = 0;
  std::unique_ptr<KeeperListeners> listeners_;
  UniqueFd bell_;
  const Leash leash_;
  boost::asio::steady_timer keeper_timer_;
  boost::asio::steady_timer worker_timer_;
  boost::asio::steady_timer retry_timer_;
  boost::asio::steady_timer comeback_timer_;
  boost::asio::steady_timer upgrade_timer_;
  boost::asio::steady_timer watchdog_timer_;
  boost::asio::steady_timer call_timer_;
  boost::asio::steady_timer state_timer_;
  boost::asio::steady_timer listeners_timer_;
  Instant call_timer_at_ = Instant::max();

  Exchange& exchange_;
  Sockets& sockets_;
  Lookout& lookout_;
  std::optional<Rings> rings_;
  std::shared_ptr<Courier> courier_;  // with the rings
  UniqueFd line_;                     // to the worker
  Channels channels_;                 // of the rings' segment
  Calls calls_;
  std::string reply_copy_;  // keeps its memory
  std::uint64_t last_request_ = 0;
  std::deque<std::weak_ptr<RoomWaiter>> waiting_for_room_;
  bool draining_ = false;

  std::optional<Watchdog> watchdog_;
  OutputLog output_;
  Standbys standbys_;
  bool was_standby_ = false;  // the worker
  std::optional<Upgrade> upgrade_;
  Suspension suspension_;
  Debug debug_;
  std::optional<CrashExec> crash_exec_;

  std::list<StateQuestion> questions_;
  Inspector inspector_;
  MessageList message_list_;
  StateWatch watch_;
  std::uint64_t writes_before_ = 0;   // of the workers before this one, since peeperd's start
  std::uint64_t changes_before_ = 0;
  struct LastCommit {
    std::uint64_t committed = 0;
    std::uint64_t generation = 0;  // of the journal
    bool operator==(const LastCommit&) const = default;
  };
  [[nodiscard]] LastCommit last_commit() const;
  LastCommit at_inspection_;
  std::uint64_t seen_committed_ = 0;  // at the last look
  bool watches_questions_ = false;

  std::uint32_t incarnation_ = 0;
  std::uint64_t crashes_ = 0;
  Traffic traffic_;
  std::optional<Instant> ready_since_;  // the worker
  // Committed when the worker was launched, to see at its end whether it got anywhere.
  struct Progress {
    std::uint64_t sequence = 0;
    std::uint64_t mailbox_head = 0;
  };
  Progress at_launch_;
  [[nodiscard]] Progress progress() const;
  [[nodiscard]] bool has_progressed() const;
  launch::ToKeeper last_death_{};  // what the next recovery is told
  bool last_end_was_normal_ = false;
  bool ended_normally_ = false;  // the last worker of one that is down
  std::string last_crash_;
  std::string failure_;  // why it is down, in the keeper's or the worker's words
  Supervision& supervision_;
  bool is_watching_ = false;   // bell and callbacks
  bool keeper_lingers_ = false;  // it is to stop, once its listeners know why
  bool owes_started_ = false;  // what the supervision waits for
  bool owes_stopped_ = false;
};

}  // namespace peeper::daemon
