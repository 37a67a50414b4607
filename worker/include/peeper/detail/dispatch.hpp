// Behind PEEPER_SERVER: the table of functions (abi.hpp) through which a worker drives a behaviour.
#pragma once

#include <boost/version.hpp>
#include <memory>
#include <new>
#include <type_traits>

#include "peeper/abi.hpp"
#include "peeper/allocator.hpp"
#include "peeper/detail/callbacks.hpp"
#include "peeper/detail/names.hpp"
#include "peeper/format_state.hpp"
#include "peeper/state_check.hpp"

namespace peeper::detail {

// Hands a callback's outcome to the worker.
[[nodiscard]] abi::Action deliver_reply(const Result& result, const abi::Sink& sink);
// For a cast or info: nobody waits for what a Result replies.
[[nodiscard]] abi::Action deliver_silently(const Result& result, const abi::Sink& sink);

// Runs handle_cast or handle_info, which return a Result or nothing.
template <class Callback>
abi::Action run_silently(const abi::Sink& sink, Callback&& callback) {
  using Returned = decltype(callback());
  static_assert(std::is_void_v<Returned> || std::is_same_v<Returned, Result>,
                "peeper: handle_cast and handle_info return a Result or void");
  if constexpr (std::is_void_v<Returned>) {
    callback();
    return abi::Action::kNoReply;
  } else {
    return deliver_silently(callback(), sink);
  }
}

// Runs handle_call, which returns a Result or anything a reply can be made of.
template <class Callback>
abi::Action run_call(const abi::Sink& sink, Callback&& callback) {
  using Returned = decltype(callback());
  static_assert(!std::is_void_v<Returned>,
                "peeper: handle_call must return the reply, or a Result such as noreply()");
  if constexpr (std::is_same_v<std::remove_cvref_t<Returned>, Result>) {
    return deliver_reply(callback(), sink);
  } else if constexpr (!std::is_void_v<Returned>) {
    return deliver_reply(reply(callback()), sink);
  }
}

template <class B>
struct Functions {
  using State = typename B::State;

  static void* create() { return new B(); }
  static void destroy(void* behaviour) { delete static_cast<B*>(behaviour); }

  // The State is built where it will live: it needs no copy or move constructor.
  static void init(void* behaviour, void* memory, const abi::Bytes* arguments, std::size_t count,
                   bool named) {
    B& server = *static_cast<B*>(behaviour);
    if constexpr (InitWithArgs<B, State>) {
      ::new (memory) State(server.init(Args(arguments, count, named)));
    } else {
      ::new (memory) State(server.init());
    }
  }

  static abi::Action handle(void* behaviour, void* state_memory, const abi::Message* abi_message,
                            const abi::Sink* sink) {
    [[maybe_unused]] B& server = *static_cast<B*>(behaviour);
    [[maybe_unused]] State& state = *static_cast<State*>(state_memory);
    const Message message(*abi_message);
    switch (message.kind()) {
      case Kind::call:
        if constexpr (CallWithFrom<B, State>) {
          return run_call(*sink, [&]() -> decltype(auto) {
            return server.handle_call(message, message.from(), state);
          });
        } else if constexpr (CallPlain<B, State>) {
          return run_call(*sink,
                          [&]() -> decltype(auto) { return server.handle_call(message, state); });
        }
        break;
      case Kind::cast:
        if constexpr (Cast<B, State>) {
          return run_silently(*sink, [&] { return server.handle_cast(message, state); });
        }
        break;
      case Kind::info:
        if constexpr (Info<B, State>) {
          return run_silently(*sink, [&] { return server.handle_info(message, state); });
        }
        break;
    }
    return abi::Action::kUnhandled;
  }

  static void terminate(void* behaviour, void* state, abi::Bytes reason) {
    if constexpr (Terminate<B, State>) {
      static_cast<B*>(behaviour)->terminate(view(reason), *static_cast<State*>(state));
    }
  }

  static void format(void*, const void* state, const abi::Sink* sink) {
    format_state(*static_cast<const State*>(state), *sink);
  }
};

// State::version or Behaviour::version: a constant, raised when the meaning of the State changes.
template <class B>
consteval std::uint64_t version_of() {
  using State = typename B::State;
  // A data member of that name is no constant, and so not meant.
  constexpr bool in_state = requires { std::bool_constant<(State::version, true)>{}; };
  constexpr bool in_behaviour = requires { std::bool_constant<(B::version, true)>{}; };
  static_assert(!in_state || !in_behaviour, "peeper: declare version in one place only");
  if constexpr (in_state) {
    static_assert(State::version >= 0, "peeper: a version is not negative");
    return static_cast<std::uint64_t>(State::version);
  } else if constexpr (in_behaviour) {
    static_assert(B::version >= 0, "peeper: a version is not negative");
    return static_cast<std::uint64_t>(B::version);
  } else {
    return 0;
  }
}

template <class B>
void check_behaviour() {
  using State = typename B::State;
  static_assert(std::is_class_v<B> && !std::is_final_v<B>,
                "peeper: a behaviour is a class that is not final");
  static_assert(std::is_default_constructible_v<B>,
                "peeper: a behaviour is default constructible: a new one is made at each start");
  static_assert(std::is_object_v<State> && !std::is_const_v<State> && !std::is_array_v<State>,
                "peeper: State must be a plain type, such as a struct");
  static_assert(alignof(State) <= kMostAlignment, "peeper: State is aligned to more than a page");
  check_init<B, State>();
  check_callbacks<B, State>();
  check_state<State>();
}

// The table, made at the first call. Lives as long as the shared object.
template <class B>
const abi::Behaviour* behaviour_table() {
  static_assert(
      requires { typename B::State; },
      "peeper: a behaviour needs a `struct State` or `using State = ...`, public");
  check_behaviour<B>();
  using State = typename B::State;
  using F = Functions<B>;
  static const abi::Behaviour table = [] {
    const std::string_view name = demangled(typeid(B));
    const std::string_view state_name = demangled(typeid(State));
    return abi::Behaviour{
        .magic = abi::kMagic,
        .sdk_version = abi::kSdkVersion,
        .size = sizeof(abi::Behaviour),
        .name = {name.data(), name.size()},
        .state = {.size = sizeof(State),
                  .alignment = alignof(State),
                  .name = {state_name.data(), state_name.size()},
                  .version = version_of<B>(),
                  .boost_version = BOOST_VERSION,
                  .container_version = kContainerVersion},
        .flags = read_only_callbacks<B, State>(),
        .attach = &attach,
        .create = &F::create,
        .destroy = &F::destroy,
        .init = &F::init,
        .handle = &F::handle,
        .terminate = &F::terminate,
        .format_state = &F::format,
    };
  }();
  return &table;
}

}  // namespace peeper::detail
