#include "worker/runtime/behaviour.hpp"

#include <dlfcn.h>

#include <boost/version.hpp>
#include <algorithm>
#include <cstring>
#include <string_view>

namespace peeper::worker {
namespace {

std::string_view view(abi::Bytes bytes) { return {bytes.data, bytes.size}; }

// "1.81.0", of a BOOST_VERSION.
std::string boost_release(std::uint32_t version) {
  return std::to_string(version / 100'000) + "." + std::to_string(version / 100 % 1000) + "." +
         std::to_string(version % 100);
}

}  // namespace

Result<const abi::Behaviour*> load_behaviour(const std::string& path) {
  void* object = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (object == nullptr) {
    const char* why = ::dlerror();
    return Failure{"cannot load behaviour: " + std::string(why != nullptr ? why : path), 0};
  }
  using Entry = const abi::Behaviour* (*)();
  const auto entry = reinterpret_cast<Entry>(::dlsym(object, abi::kEntryPoint));
  const abi::Behaviour* behaviour = entry != nullptr ? entry() : nullptr;
  if (behaviour == nullptr || behaviour->magic != abi::kMagic)
    return Failure{path + " is not a behaviour: it has no PEEPER_SERVER(Type)", 0};
  if (behaviour->sdk_version != abi::kSdkVersion || behaviour->size != sizeof(abi::Behaviour))
    return Failure{path + " was built for SDK version " + std::to_string(behaviour->sdk_version) +
                       ", this peeper-worker has version " + std::to_string(abi::kSdkVersion) +
                       ": compile it again with this peeper's headers",
                   0};
  return behaviour;
}

void write_fingerprint(const segment::Segment& segment, const abi::StateType& state) {
  segment::Fingerprint& print = segment.header().fingerprint;
  print.size = state.size;
  print.alignment = state.alignment;
  print.version = state.version;
  print.container_version = state.container_version;
  print.boost_version = state.boost_version;
  print.worker_boost_version = BOOST_VERSION;
  const std::size_t bytes = std::min(state.name.size, sizeof print.name);
  std::memcpy(print.name, state.name.data, bytes);
  print.name_bytes = static_cast<std::uint32_t>(bytes);
}

Result<void> check_fingerprint(const segment::Segment& segment, const abi::StateType& state) {
  const segment::Fingerprint& print = segment.header().fingerprint;
  const std::string_view had{print.name,
                             std::min<std::size_t>(print.name_bytes, sizeof print.name)};
  const std::string_view has = view(state.name).substr(0, sizeof print.name);
  const std::string start_over = ", or, to start over with an empty state, stop peeperd and remove "
                                 "it: rm " + segment.id().path();
  std::string differs;
  const auto compare = [&](const char* what, const auto& before, const auto& now,
                           const auto& text) {
    if (before == now) return;
    if (!differs.empty()) differs += ", ";
    differs += std::string(what) + " was " + text(before) + ", is " + text(now);
  };
  const auto number = [](std::uint64_t n) { return std::to_string(n); };
  compare("its name", had, has, [](std::string_view s) { return "'" + std::string(s) + "'"; });
  compare("its version", print.version, state.version, number);
  compare("its size", print.size, state.size, number);
  compare("its alignment", print.alignment, state.alignment, number);
  if (!differs.empty())
    return Failure{"State changed since segment " + segment.id().path() + " was made: " + differs +
                       ". Use the behaviour it was made with" + start_over,
                   0};

  // The same State, in bytes that may mean something else.
  compare("the behaviour's Boost", print.boost_version, state.boost_version, boost_release);
  compare("the version of peeper's containers", print.container_version, state.container_version,
          number);
  compare("peeper-worker's Boost", print.worker_boost_version, std::uint32_t{BOOST_VERSION},
          boost_release);
  if (!differs.empty())
    return Failure{"what segment " + segment.id().path() +
                       " holds may lie differently in memory now: " + differs +
                       ". Compile with what was used before" + start_over,
                   0};
  return {};
}

}  // namespace peeper::worker
