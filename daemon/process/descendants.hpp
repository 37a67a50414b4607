// What workers have started and left behind: processes that are no longer in their worker's process
// group (setsid, a shell's job), whose parent has died.
//
// The daemon is a child subreaper (prctl(2)), so the kernel makes such a process the daemon's own
// child, and nobody else's. Here it is reaped when it ends, and killed once the worker it came from
// has ended: every child is started with a mark in its environment (child_mark.hpp), which all it
// starts inherit.
//
// One per io_context, as a service of it: use_service<Descendants>(loop). Thread: the loop's.
// Nothing blocks; nothing is looked at but a moment after some child has ended.
#pragma once

#include <boost/asio/execution_context.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace peeper::daemon {

// --- Policy --------------------------------------------------------------------------------------

// A child of this process that it has not launched.
struct Stray {
  int group = 0;
  std::optional<std::string> mark;  // as mark_of() tells it
};

struct Kin {
  std::set<int> groups;         // of the children that live: their own pids
  std::set<std::string> marks;
  // As process 1 of a container this process is also given what never came from a worker.
  bool is_init = false;
};

enum class Fate { kLeave, kKill, kLookAgain };
[[nodiscard]] Fate fate_of(const Stray& stray, const Kin& living);

// --- Shell ---------------------------------------------------------------------------------------

class Descendants : public boost::asio::execution_context::service {
 public:
  using key_type = Descendants;
  static boost::asio::execution_context::id id;

  explicit Descendants(boost::asio::execution_context& context);

  // From here on this process is the subreaper. `family` tells its children, and what is left of
  // those of an earlier peeperd, from those of any other: see child_mark.hpp.
  void adopt(std::string family);
  // Kills what has left the process groups of an earlier peeperd's workers, which was killed. That
  // one's own children, which are `programs`, die by themselves.
  void end_leftovers(const std::vector<std::filesystem::path>& programs) const;

  // For the environment of the next child.
  [[nodiscard]] std::string next_mark();
  void add(int pid, std::string mark);
  // It has been reaped.
  void remove(int pid);

  // Looks now. True if there is no stray any more but those that must be left alone.
  bool sweep();

 private:
  void shutdown() override;
  void watch();
  void sweep_soon();
  [[nodiscard]] Kin living() const;

  boost::asio::signal_set ended_;
  boost::asio::steady_timer timer_;
  bool waiting_ = false;
  std::string family_ = "none";
  std::uint64_t last_mark_ = 0;
  std::map<int, std::string> children_;  // not reaped yet; with their marks
  std::set<int> foreign_;  // children this process had before it was peeperd
  std::map<int, int> unsettled_;  // strays that are to be looked at again: how often they were
};

}  // namespace peeper::daemon
