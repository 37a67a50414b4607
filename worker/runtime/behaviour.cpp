#include "worker/runtime/behaviour.hpp"

#include <dlfcn.h>

#include <boost/version.hpp>
#include <algorithm>
#include <cstring>
#include <string_view>

#include "worker/runtime/durable.hpp"

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

Fingerprint fingerprint_of(const abi::StateType& state) {
  Fingerprint print{};
  print.size = state.size;
  print.alignment = state.alignment;
  print.version = state.version;
  print.container_version = state.container_version;
  print.boost_version = state.boost_version;
  print.worker_boost_version = BOOST_VERSION;
  print.durable_version = kDurableVersion;
  print.name_bytes = static_cast<std::uint32_t>(std::min(state.name.size, sizeof print.name));
  std::memcpy(print.name, state.name.data, print.name_bytes);
  return print;
}

bool is_same(const Fingerprint& had, const abi::StateType& state) {
  const Fingerprint now = fingerprint_of(state);
  return std::memcmp(&had, &now, sizeof now) == 0;
}

const abi::CodeChange* code_change_from(const Fingerprint& had, const abi::Behaviour& behaviour) {
  for (std::size_t i = 0; i < behaviour.code_change_count; ++i) {
    const abi::CodeChange& change = behaviour.code_changes[i];
    if (change.from.size == had.size && change.from.alignment == had.alignment &&
        change.from.version == had.version && change.from.boost_version == had.boost_version &&
        change.from.container_version == had.container_version &&
        had.worker_boost_version == BOOST_VERSION && had.durable_version == kDurableVersion)
      return &change;
  }
  return nullptr;
}

std::string difference(const Fingerprint& had, const abi::StateType& state,
                       const std::string& segment_path) {
  const std::string start_over =
      "to start over with an empty state, stop peeperd and remove it: rm " + segment_path;
  std::string differs;
  const auto compare = [&](const char* what, const auto& before, const auto& now,
                           const auto& text) {
    if (before == now) return;
    if (!differs.empty()) differs += ", ";
    differs += std::string(what) + " was " + text(before) + ", is " + text(now);
  };
  const auto number = [](std::uint64_t n) { return std::to_string(n); };
  const std::string_view had_name{had.name, std::min<std::size_t>(had.name_bytes, sizeof had.name)};
  compare("its name", had_name, view(state.name).substr(0, sizeof had.name),
          [](std::string_view s) { return "'" + std::string(s) + "'"; });
  compare("its version", had.version, state.version, number);
  compare("its size", had.size, state.size, number);
  compare("its alignment", had.alignment, state.alignment, number);
  if (!differs.empty())
    return "State changed since segment " + segment_path + " was made: " + differs +
           ". Use the behaviour it was made with; a behaviour with a code_change takes it over while "
           "the server runs (peeper upgrade SERVER PATH). Or, " + start_over;

  // The same State, in bytes that may mean something else.
  compare("the behaviour's Boost", had.boost_version, state.boost_version, boost_release);
  compare("the version of peeper's containers", had.container_version, state.container_version,
          number);
  compare("peeper-worker's Boost", had.worker_boost_version, std::uint32_t{BOOST_VERSION},
          boost_release);
  compare("the version of what peeper-worker keeps beside the State", had.durable_version,
          kDurableVersion, number);
  return "what segment " + segment_path + " holds may lie differently in memory now: " + differs +
         ". Compile with what was used before, or, " + start_over;
}

}  // namespace peeper::worker
