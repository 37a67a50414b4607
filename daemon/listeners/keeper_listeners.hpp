// The listeners of one server, as far as the daemon has to do with them: what its keeper is
// launched with, what it writes, what it is told, and whose doing its death was.
//
// Owner: Server, of those that have listeners. Thread: the loop's. Never blocks.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "daemon/config/behaviour_path.hpp"
#include "daemon/config/config.hpp"
#include "daemon/inspection/state_watch.hpp"
#include "daemon/listeners/listener_fates.hpp"
#include "daemon/listeners/listener_link.hpp"
#include "daemon/loop/sockets.hpp"
#include "daemon/output/keeper_log.hpp"
#include "daemon/process/spawn.hpp"

namespace peeper::daemon {

class KeeperListeners final : public StateListener {
 public:
  KeeperListeners(boost::asio::io_context& loop, Sockets& sockets,
                  const config::ServerSection& section, const config::SearchPath& path);

  // --- For who has events: StateListener ---------------------------------------------------------
  // Called each time is_ready() has become true.
  void when_ready(std::function<void()> call) { on_ready_ = std::move(call); }
  [[nodiscard]] bool is_ready() const override { return link_.is_ready(); }
  [[nodiscard]] bool is_there() const override { return fates_.any_on(); }
  [[nodiscard]] bool is_attached() const override { return link_.is_attached(); }
  // A keeper that dies in it isn't told again: that would only kill the next one.
  void tell(const StateEvent& event) override;

  // --- Of each keeper ----------------------------------------------------------------------------
  // What is the keeper's, held until it was launched.
  struct Ends {
    UniqueFd stream;
    KeeperLog::Ends output;
  };
  // Adds arguments and descriptors. Fails for want of descriptors.
  [[nodiscard]] Result<Ends> prepare(LaunchSpec& spec);
  void attached() { link_.attached(); }
  // `number`, from 1, in the keeper's own order.
  void failed(std::uint64_t number, std::string why);
  // It was given up, though it lives.
  void forsaken();
  // True: it died of a listener. `is_ours`: we have killed it.
  [[nodiscard]] bool died(int wait_status, bool is_ours, Instant now);
  // The server is started by an order.
  void start_over() { fates_.start_over(); }

  // For GET_STATUS: an array of maps, {name, state, crashes, error}.
  [[nodiscard]] std::string value() const;

 private:
  const std::string server_;
  const std::vector<std::string> names_;
  const std::optional<std::chrono::milliseconds> timeout_;
  const config::SearchPath& path_;
  std::function<void()> on_ready_;
  ListenerFates fates_;
  std::vector<std::size_t> told_;  // the keeper's, as numbers in fates_
  ListenerLink link_;
  KeeperLog log_;
};

}  // namespace peeper::daemon
