// The messages that a behaviour lists: whether the list is sound, and how a worker gets it.
#pragma once

#include <algorithm>
#include <array>
#include <iterator>
#include <span>
#include <string_view>
#include <type_traits>

#include "peeper/abi.hpp"
#include "peeper/detail/callbacks.hpp"
#include "peeper/message_spec.hpp"

namespace peeper::detail {

// There is a member of that name, whatever it is.
template <class B>
inline constexpr bool names_messages = !requires { &Twice<B>::messages; };

using Listed = std::span<const MessageSpec>;

// It is static, public, and can be read at compile time.
template <class B>
concept ListsMessages = requires {
  Listed(B::messages);
  typename std::bool_constant<(Listed(B::messages).size(), true)>;
};

constexpr bool is_plain(std::string_view text) {
  return text.size() <= abi::kListedBytes && std::ranges::none_of(text, [](char c) {
           return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
         });
}

template <class B, class S>
constexpr bool handles(Kind kind) {
  switch (kind) {
    case Kind::call: return TakesCall<B, S&>;
    case Kind::cast: return TakesCast<B, S&>;
    case Kind::info: return TakesInfo<B, S&>;
  }
  return false;
}

constexpr bool has_no_doubles(Listed listed) {
  for (std::size_t i = 0; i < listed.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (listed[i].kind == listed[j].kind && listed[i].name == listed[j].name) return false;
  return true;
}

template <class B, class S>
consteval void check_listed_messages() {
  if constexpr (ListsMessages<B>) {
    constexpr Listed listed(B::messages);
    static_assert(listed.size() <= abi::kMostListedMessages,
                  "peeper: messages lists more than 256 messages");
    static_assert(std::ranges::none_of(listed, &std::string_view::empty, &MessageSpec::name),
                  "peeper: messages lists one without a name");
    static_assert(std::ranges::all_of(listed,
                                      [](const MessageSpec& spec) {
                                        return is_plain(spec.name) && is_plain(spec.arguments) &&
                                               is_plain(spec.text);
                                      }),
                  "peeper: a text in messages has a control character, or more than 256 bytes");
    static_assert(std::ranges::all_of(
                      listed, [](const MessageSpec& spec) { return handles<B, S>(spec.kind); }),
                  "peeper: messages lists one of a kind (call, cast, info) for which there is no "
                  "callback");
    static_assert(has_no_doubles(listed), "peeper: messages lists one twice");
  } else {
    static_assert(!names_messages<B>,
                  "peeper: messages is the list of a behaviour's messages, and must be `static "
                  "constexpr peeper::MessageSpec messages[]`, public");
  }
}

// Lives as long as the shared object.
template <class B>
std::span<const abi::MessageSpec> listed_messages() {
  if constexpr (ListsMessages<B>) {
    static const auto table = [] {
      std::array<abi::MessageSpec, Listed(B::messages).size()> made{};
      std::ranges::transform(Listed(B::messages), made.begin(), [](const MessageSpec& spec) {
        const auto bytes = [](std::string_view text) {
          return abi::Bytes{text.data(), text.size()};
        };
        return abi::MessageSpec{static_cast<abi::MessageKind>(spec.kind), bytes(spec.name),
                                bytes(spec.arguments), bytes(spec.text)};
      });
      return made;
    }();
    return table;
  } else {
    return {};
  }
}

}  // namespace peeper::detail
