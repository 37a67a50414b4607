// Drives a behaviour as a worker does, through its table only, and keeps what came of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "peeper/server.hpp"
#include "sdk_test_message.hpp"

namespace peeper::test {

// A TestHeap lives longer than this.
template <class B>
class Driver {
 public:
  explicit Driver(std::vector<std::string> init = {})
      : memory_(detail::allocate(table().state.size, table().state.alignment)) {
    const auto bytes = as_bytes(init);
    try {
      table().init(object_, memory_, bytes.data(), bytes.size(), false, &sink_);
    } catch (...) {
      table().destroy(object_);
      throw;
    }
  }
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;
  ~Driver() { table().destroy(object_); }

  static const abi::Behaviour& table() { return *detail::behaviour_table<B>(); }

  abi::Action run(abi::MessageKind kind, std::string_view name,
                  std::vector<std::string> arguments = {}, std::uint64_t reference = 0) {
    clear();
    TestMessage message(kind, name, std::move(arguments));
    message.message.from = {77, 0, 1, 0};
    message.message.reference = reference;
    return table().handle(object_, memory_, &message.message, &sink_);
  }

  abi::Action start() {
    clear();
    return table().start(object_, memory_, &sink_);
  }

  abi::Action go_on(std::string_view with) {
    clear();
    return table().handle_continue(object_, memory_, {with.data(), with.size()}, &sink_);
  }

  abi::Action replace_state(std::vector<std::string> values) {
    clear();
    const TestMessage message(abi::MessageKind::kCall, "replace_state", std::move(values));
    return table().replace_state(object_, memory_, &message.message, &sink_);
  }

  bool reads_only(std::string_view name) {
    const TestMessage message(abi::MessageKind::kCall, name, {});
    return table().reads_only(object_, &message.message);
  }

  std::string shown(std::string_view path = {}) {
    clear();
    table().format_state(object_, memory_, {path.data(), path.size()}, &sink_);
    return reply;
  }

  void terminate(std::string_view why) {
    table().terminate(object_, memory_, {why.data(), why.size()});
  }

  void* object() { return object_; }
  typename B::State& state() { return *static_cast<typename B::State*>(memory_); }

  // Of the last callback.
  std::string reply;
  std::string reason;
  std::optional<abi::Then> then;
  std::uint64_t ns = 0;
  std::string argument;

 private:
  static Driver& self(void* context) { return *static_cast<Driver*>(context); }
  static void write(void* context, const char* data, std::size_t size) {
    self(context).reply.append(data, size);
  }
  static void stop_reason(void* context, const char* data, std::size_t size) {
    self(context).reason.assign(data, size);
  }
  static void set_then(void* context, abi::Then what, std::uint64_t in_ns, abi::Bytes with) {
    self(context).then = what;
    self(context).ns = in_ns;
    self(context).argument.assign(with.data, with.size);
  }

  void clear() {
    reply.clear();
    reason.clear();
    then.reset();
    ns = 0;
    argument.clear();
  }

  abi::Sink sink_{this, &write, &stop_reason, &set_then};
  void* object_ = table().create();
  void* memory_;
};

}  // namespace peeper::test
