// The former State types that a behaviour can take over: what its OldStates list, checked, as the
// table of abi.hpp. And the facts about any State that a segment remembers.
#pragma once

#include <boost/version.hpp>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <string_view>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include "peeper/abi.hpp"
#include "peeper/allocator.hpp"
#include "peeper/code_change.hpp"
#include "peeper/detail/callbacks.hpp"
#include "peeper/detail/names.hpp"
#include "peeper/state_check.hpp"

namespace peeper::detail {

// A data member of that name is no constant, and so not meant.
template <class T>
concept HasVersion = requires {
  std::bool_constant<(T::version, true)>{};
};

template <class T>
consteval std::uint64_t version_in() {
  static_assert(T::version >= 0, "peeper: a version is not negative");
  return static_cast<std::uint64_t>(T::version);
}

// State::version or Behaviour::version: a constant, raised when the meaning of the State changes.
template <class B>
consteval std::uint64_t version_of() {
  using State = typename B::State;
  static_assert(!HasVersion<State> || !HasVersion<B>, "peeper: declare version in one place only");
  if constexpr (HasVersion<State>) {
    return version_in<State>();
  } else if constexpr (HasVersion<B>) {
    return version_in<B>();
  } else {
    return 0;
  }
}

template <class State>
abi::StateType state_type(std::uint64_t version) {
  const std::string_view name = demangled(typeid(State));
  return {.size = sizeof(State),
          .alignment = alignof(State),
          .name = {name.data(), name.size()},
          .version = version,
          .boost_version = BOOST_VERSION,
          .container_version = kContainerVersion};
}

// --- Code change ---------------------------------------------------------------------------------

template <class T>
inline constexpr bool is_types = false;
template <class... Ts>
inline constexpr bool is_types<types<Ts...>> = true;

template <class B>
struct OldStatesOf {
  using type = types<>;
};
template <class B>
requires requires { typename B::OldStates; }
struct OldStatesOf<B> {
  using type = typename B::OldStates;
};

template <class B>
inline constexpr bool lists_old_states = requires {
  typename B::OldStates;
};

// Whether a segment that holds the one could be taken for the other.
template <class Old, class State>
consteval bool looks_like(std::uint64_t version_of_state) {
  if constexpr (HasVersion<Old>) {
    return sizeof(Old) == sizeof(State) && alignof(Old) == alignof(State) &&
           version_in<Old>() == version_of_state;
  } else {
    return false;
  }
}

template <class Old, class... All>
consteval std::size_t count_alike(types<All...>) {
  std::size_t count = 0;
  const auto version = []<class T>() -> std::uint64_t {
    if constexpr (HasVersion<T>) return version_in<T>();
    return 0;
  };
  ((count += looks_like<Old, All>(version.template operator()<All>()) ? 1 : 0), ...);
  return count;
}

// The compiler shows Old, the type that is at fault.
template <class B, class Old>
void check_old_state() {
  using State = typename B::State;
  static_assert(std::is_class_v<Old> && !std::is_const_v<Old>,
                "peeper: OldStates lists former State types, each a plain struct");
  static_assert(HasVersion<Old>,
                "peeper: each type in OldStates says which version it was: `static constexpr int "
                "version = ...;`, 0 if it had none");
  static_assert(!looks_like<Old, State>(version_of<B>()),
                "peeper: a type in OldStates cannot be told from State: raise State's version");
  static_assert(!HasVersion<Old> || count_alike<Old>(typename B::OldStates{}) <= 1,
                "peeper: two types in OldStates cannot be told from each other: they need "
                "different versions");
  static_assert(TakesOld<B, Old>,
                "peeper: code_change must be public and take (std::uint64_t old_version, "
                "OldState&), one for each type in OldStates; a peeper::Context& may follow");
  if constexpr (TakesOld<B, Old>) {
    using Returned =
        decltype(call_back<ChangeCode>(std::declval<B&>(), std::declval<Context&>(),
                                       std::declval<std::uint64_t>(), std::declval<Old&>()));
    static_assert(std::is_same_v<State, Returned>,
                  "peeper: code_change must return the new State, by value");
  }
  check_state<Old>();
}

template <class B, class... Olds>
void check_each_old_state(types<Olds...>) {
  (check_old_state<B, Olds>(), ...);
}

template <class B>
void check_code_change() {
  static_assert(!ChangeCode::exists<B> || lists_old_states<B>,
                "peeper: code_change needs the list of the former State types, public: `using "
                "OldStates = peeper::types<OldState, ...>;`");
  using Olds = typename OldStatesOf<B>::type;
  static_assert(is_types<Olds>, "peeper: OldStates must be peeper::types<OldState, ...>");
  if constexpr (is_types<Olds>) check_each_old_state<B>(Olds{});
}

template <class B, class Old>
void change_state(void* behaviour, std::uint64_t old_version, void* old_memory, void* memory) {
  Old& old = *static_cast<Old*>(old_memory);
  Context context;
  B& server = *static_cast<B*>(behaviour);
  ::new (memory)
      typename B::State(call_back<ChangeCode>(server, context, std::uint64_t{old_version}, old));
  std::destroy_at(&old);
}

// One for each of OldStates; lives as long as the shared object.
template <class B, class... Olds>
std::pair<const abi::CodeChange*, std::size_t> code_changes(types<Olds...>) {
  if constexpr (sizeof...(Olds) == 0) {
    return {nullptr, 0};
  } else {
    static const std::array<abi::CodeChange, sizeof...(Olds)> table{
        abi::CodeChange{state_type<Olds>(version_in<Olds>()), &change_state<B, Olds>}...};
    return {table.data(), table.size()};
  }
}

}  // namespace peeper::detail
