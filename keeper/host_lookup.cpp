#include "keeper/host_lookup.hpp"

#include <netdb.h>

#include <condition_variable>
#include <cstring>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

namespace peeper::keeper {

struct HostLookup::Shared {
  std::mutex mutex;
  std::condition_variable is_done;
  std::optional<Result<Addresses>> found;

  void done(Result<Addresses> result) {
    const std::lock_guard lock{mutex};
    found.emplace(std::move(result));
    is_done.notify_all();
  }
};

Result<Addresses> addresses_of(const Place& place, HostIs kind) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  hints.ai_flags = AI_NUMERICSERV | (kind == HostIs::kNumber ? AI_NUMERICHOST : 0);
  addrinfo* first = nullptr;
  if (const int error = ::getaddrinfo(place.host.c_str(), place.port.c_str(), &hints, &first);
      error != 0)
    return Failure{"host '" + place.host + "' has no address: " + ::gai_strerror(error), 0};
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> all{first, &::freeaddrinfo};
  Addresses addresses;
  for (const addrinfo* one = first; one != nullptr; one = one->ai_next) {
    Address address;
    if (one->ai_addrlen > sizeof address.bytes) continue;
    std::memcpy(&address.bytes, one->ai_addr, one->ai_addrlen);
    address.size = one->ai_addrlen;
    addresses.push_back(address);
  }
  return addresses;
}

void HostLookup::begin() {
  if (under_way_) return;
  under_way_ = std::make_shared<Shared>();
  try {
    std::thread{[shared = under_way_, place = place_, resolve = resolve_] {
      try {
        shared->done(resolve(place));
      } catch (...) {  // no memory
        shared->done(Failure{});
      }
    }}.detach();
  } catch (const std::exception& e) {
    under_way_->done(Failure{std::string("no thread to look it up: ") + e.what(), 0});
  }
}

std::optional<Result<Addresses>> HostLookup::take(std::chrono::milliseconds patience) {
  if (!under_way_) return std::nullopt;
  std::unique_lock lock{under_way_->mutex};
  if (!under_way_->is_done.wait_for(lock, patience, [&] { return under_way_->found.has_value(); }))
    return std::nullopt;
  std::optional<Result<Addresses>> found = std::move(under_way_->found);
  lock.unlock();
  under_way_.reset();
  return found;
}

}  // namespace peeper::keeper
