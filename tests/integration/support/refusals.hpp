// Makes system calls of peeperd and its children fail: those that start processes, by number
// (fixtures/refuser.cpp has the list), with the error the test says, from then until it says
// otherwise. The kernel asks a thread of the test before each of them (seccomp_unotify(2)).
#pragma once

#include <atomic>
#include <thread>

#include "instance.hpp"

namespace peeper::test {

class Refusals {
 public:
  // To be made before the instance is started, and to outlive it.
  explicit Refusals(Instance& peeperd);
  ~Refusals();
  Refusals(const Refusals&) = delete;
  Refusals& operator=(const Refusals&) = delete;

  // Of one number at a time. The count begins anew.
  void refuse(int number, int error);
  void allow() { number_ = -1; }
  // How many were.
  [[nodiscard]] int refused() const { return refused_; }

  static const int kFork;  // the call that peeperd makes children with

 private:
  void serve();
  void answer(int listener);

  UniqueFd door_;  // where each peeperd leaves its listener
  UniqueFd end_;
  std::atomic<int> number_{-1};
  std::atomic<int> error_{0};
  std::atomic<int> refused_{0};
  std::thread thread_;
};

}  // namespace peeper::test
