// The listener `statsd`: numbers of the state as gauges, by UDP. It never waits: what can't be sent
// is lost, as UDP has it.
#pragma once

#include <memory>
#include <string_view>

#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "keeper/event.hpp"

namespace peeper::keeper {

class StatsdListener final : public EventListener {
 public:
  // `place`: HOST:PORT. Blocks while a name is looked up, once.
  static Result<std::unique_ptr<StatsdListener>> open(std::string_view place);
  void hear(const StateEvent& event) override;

 private:
  explicit StatsdListener(UniqueFd socket) : socket_(std::move(socket)) {}

  UniqueFd socket_;
  bool has_complained_ = false;
};

}  // namespace peeper::keeper
