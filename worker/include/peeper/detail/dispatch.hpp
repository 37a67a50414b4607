// Behind PEEPER_SERVER: the table of functions (abi.hpp) through which a worker drives a behaviour.
#pragma once

#include <new>
#include <span>
#include <string_view>
#include <type_traits>
#include <typeinfo>

#include "peeper/abi.hpp"
#include "peeper/allocator.hpp"
#include "peeper/detail/callbacks.hpp"
#include "peeper/detail/check_callbacks.hpp"
#include "peeper/detail/listed_messages.hpp"
#include "peeper/detail/names.hpp"
#include "peeper/detail/outcome.hpp"
#include "peeper/detail/state_type.hpp"
#include "peeper/format_state.hpp"
#include "peeper/state_check.hpp"

namespace peeper::detail {

// Those of abi::Behaviour, under the same names.
template <class B>
struct Functions {
  using State = typename B::State;

  static constexpr Continues kContinues =
      TakesContinue<B, State&> ? Continues::kYes : Continues::kNo;

  static B& server(void* behaviour) { return *static_cast<B*>(behaviour); }
  static State& state(void* memory) { return *static_cast<State*>(memory); }

  static void* create() { return new B(); }
  static void destroy(void* behaviour) { delete static_cast<B*>(behaviour); }

  // The State is built where it will live: unless init says ok(), it needs no copy or move
  // constructor.
  static void init(void* behaviour, void* memory, const abi::Bytes* arguments, std::size_t count,
                   bool named, const abi::Sink* sink) {
    const Args args(arguments, count, named);
    Context context;
    using Returned = decltype(call_init(server(behaviour), context, args));
    if constexpr (std::is_same_v<Returned, State>) {
      ::new (memory) State(call_init(server(behaviour), context, args));
    } else {
      Returned started = call_init(server(behaviour), context, args);
      ::new (memory) State(started.take_state());
      deliver_next(started.next(), *sink, kContinues);
    }
  }

  static abi::Action start(void* behaviour, void* memory, const abi::Sink* sink) {
    Context context;
    return run_silently(*sink, kContinues, [&] {
      return call_back<HandleStart>(server(behaviour), context, state(memory));
    });
  }

  static bool reads_only(void* behaviour, const abi::Message* message) {
    return ReadsOnly::run(server(behaviour), Message(*message));
  }

  static abi::Action handle(void* behaviour, void* memory, const abi::Message* abi_message,
                            const abi::Sink* sink) {
    const Message message(*abi_message);
    Context context;
    switch (message.kind()) {
      case Kind::call:
        if constexpr (TakesCall<B, State&>) {
          return run_call(*sink, kContinues, [&]() -> decltype(auto) {
            return call_handle_call(server(behaviour), context, message, state(memory));
          });
        }
        break;
      case Kind::cast:
        if constexpr (TakesCast<B, State&>) {
          return run_silently(*sink, kContinues, [&] {
            return call_back<HandleCast>(server(behaviour), context, message, state(memory));
          });
        }
        break;
      case Kind::info:
        if constexpr (TakesInfo<B, State&>) {
          return run_silently(*sink, kContinues, [&] {
            return call_back<HandleInfo>(server(behaviour), context, message, state(memory));
          });
        }
        break;
    }
    return abi::Action::kUnhandled;
  }

  static abi::Action replace_state(void* behaviour, void* memory, const abi::Message* abi_message,
                                   const abi::Sink* sink) {
    const Message message(*abi_message);
    Context context;
    return run_replace(*sink, kContinues, [&]() -> decltype(auto) {
      return call_back<ReplaceState>(server(behaviour), context, message, state(memory));
    });
  }

  static abi::Action handle_continue(void* behaviour, void* memory, abi::Bytes argument,
                                     const abi::Sink* sink) {
    Context context;
    return run_silently(*sink, kContinues, [&] {
      return call_back<HandleContinue>(server(behaviour), context, view(argument), state(memory));
    });
  }

  static void terminate(void* behaviour, void* memory, abi::Bytes reason) {
    Context context;
    (void)call_back<Terminate>(server(behaviour), context, view(reason), state(memory));
  }

  // What format_status gives is bounded as the State itself would be.
  static void format([[maybe_unused]] void* behaviour, const void* memory, abi::Bytes path,
                     const abi::Sink* sink) {
    const State& shown = *static_cast<const State*>(memory);
    if constexpr (TakesFormat<B, const State&>) {
      Context context;
      format_state(call_back<FormatStatus>(server(behaviour), context, shown), view(path),
                   *sink);
    } else {
      format_state(shown, view(path), *sink);
    }
  }
};

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
  check_callbacks<B, State>();
  check_code_change<B>();
  check_listed_messages<B, State>();
  check_state<State>();
}

template <class B>
abi::Behaviour make_table() {
  using State = typename B::State;
  using F = Functions<B>;
  const std::string_view name = demangled(typeid(B));
  const std::span<const abi::MessageSpec> listed = listed_messages<B>();
  const auto [changes, change_count] = code_changes<B>(typename OldStatesOf<B>::type{});
  abi::Behaviour table{
      .magic = abi::kMagic,
      .sdk_version = abi::kSdkVersion,
      .size = sizeof(abi::Behaviour),
      .name = {name.data(), name.size()},
      .state = state_type<State>(version_of<B>()),
      .flags = read_only_callbacks<B, State>(),
      .attach = &attach,
      .create = &F::create,
      .destroy = &F::destroy,
      .init = &F::init,
      .start = nullptr,
      .reads_only = nullptr,
      .handle = &F::handle,
      .replace_state = nullptr,
      .handle_continue = nullptr,
      .terminate = nullptr,
      .code_changes = changes,
      .code_change_count = change_count,
      .format_state = &F::format,
      .messages = listed.data(),
      .message_count = listed.size(),
  };
  if constexpr (TakesFormat<B, const State&>) table.flags |= abi::kFormatsStatus;
  if constexpr (TakesStart<B, State&>) table.start = &F::start;
  if constexpr (TellsReadsOnly<B>) table.reads_only = &F::reads_only;
  if constexpr (TakesReplace<B, State&>) table.replace_state = &F::replace_state;
  if constexpr (TakesContinue<B, State&>) table.handle_continue = &F::handle_continue;
  if constexpr (TakesTerminate<B, State&>) table.terminate = &F::terminate;
  return table;
}

// The table, made at the first call. Lives as long as the shared object.
template <class B>
const abi::Behaviour* behaviour_table() {
  static_assert(
      requires { typename B::State; },
      "peeper: a behaviour needs a `struct State` or `using State = ...`, public");
  check_behaviour<B>();
  static const abi::Behaviour table = make_table<B>();
  return &table;
}

}  // namespace peeper::detail
