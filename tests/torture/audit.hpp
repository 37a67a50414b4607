// Everything at rest: does it hold what it must, and is there nothing that should not be?
//
// Thread: the main thread. What is wrong is told to Shared::verdict.
#pragma once

#include <memory>
#include <vector>

#include "caller.hpp"
#include "family.hpp"
#include "instance.hpp"
#include "shared.hpp"

namespace peeper::torture {

using Callers = std::vector<std::unique_ptr<Caller>>;

class Audit {
 public:
  // Of a peeperd that has just been started, without clients: what it has then is what it shall
  // have each time.
  Audit(test::Instance& peeperd, Shared& shared);

  // Nobody is stopped, no client works. Disconnects them.
  void check(const Callers& callers);
  // After an orderly stop.
  void check_nothing_is_left() const;

 private:
  void await_servers();
  void check_states(const Callers& callers);
  void check_clicks(const Callers& callers);
  void demand(std::initializer_list<std::string_view> command, const std::string& wanted);
  void check_processes();
  void check_log() const;
  void await_descriptors();
  [[nodiscard]] std::string fault_of_descriptors() const;

  test::Instance& peeperd_;
  Shared& shared_;
  Descriptors descriptors_;
  int children_ = 0;
};

}  // namespace peeper::torture
