#include "worker/runtime/behaviour.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <cstring>
#include <string_view>

namespace peeper::worker {
namespace {

std::string_view view(abi::Bytes bytes) { return {bytes.data, bytes.size}; }

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
  const std::size_t bytes = std::min(state.name.size, sizeof print.name);
  std::memcpy(print.name, state.name.data, bytes);
  print.name_bytes = static_cast<std::uint32_t>(bytes);
}

Result<void> check_fingerprint(const segment::Segment& segment, const abi::StateType& state) {
  const segment::Fingerprint& print = segment.header().fingerprint;
  const std::string_view had{print.name,
                             std::min<std::size_t>(print.name_bytes, sizeof print.name)};
  const std::string_view has = view(state.name).substr(0, sizeof print.name);
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
  if (differs.empty()) return {};
  return Failure{"State changed since segment " + segment.id().path() + " was made: " + differs +
                     ". Use the behaviour it was made with, or, to start over with an empty "
                     "state, stop peeperd and remove it: rm " +
                     segment.id().path(),
                 0};
}

}  // namespace peeper::worker
