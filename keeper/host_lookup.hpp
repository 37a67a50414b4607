// The addresses of a host, looked up by a thread of its own: a resolver that takes its time, or
// hangs for good, holds up nobody.
//
// Owner: a listener. Thread: its. What is under way when this is destroyed goes on for itself.
#pragma once

#include <sys/socket.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/result.hpp"

namespace peeper::keeper {

struct Place {
  std::string host;  // a name, or a number without brackets
  std::string port;  // digits
};

struct Address {
  sockaddr_storage bytes{};
  socklen_t size = 0;
};
using Addresses = std::vector<Address>;  // in the order in which they are to be tried

// For UDP. kNumber blocks for nothing; kName for as long as the resolver likes.
enum class HostIs { kNumber, kName };
[[nodiscard]] Result<Addresses> addresses_of(const Place& place, HostIs kind);

class HostLookup {
 public:
  // Called by threads, which may outlive this and whoever owns it.
  using Resolve = std::function<Result<Addresses>(const Place& place)>;

  HostLookup(Place place, Resolve resolve)
      : place_(std::move(place)), resolve_(std::move(resolve)) {}

  // Unless one is under way.
  void begin();
  // What the last one has found, once; waits for it that long at most. None: nothing new.
  [[nodiscard]] std::optional<Result<Addresses>> take(std::chrono::milliseconds patience);

 private:
  struct Shared;

  const Place place_;
  const Resolve resolve_;
  std::shared_ptr<Shared> under_way_;  // null: none is
};

}  // namespace peeper::keeper
