// says: messages is the list of a behaviour's messages, and must be `static
// says: messages lists one without a name
// says: a text in messages has a control character, or more than 256 bytes
// says: messages lists one of a kind (call, cast, info) for which there is no
// says: messages lists one twice
// says: messages lists more than 256 messages
#include <peeper/server.hpp>

#include <array>
#include <vector>

namespace {

using peeper::Kind;
using peeper::MessageSpec;

struct Base {
  struct State {
    int count;
  };
  State init() { return {}; }
  int handle_call(const peeper::Message&, State& state) { return state.count; }
};

struct AtRunTime : Base {
  static inline const std::vector<MessageSpec> messages{};
};
struct OfTexts : Base {
  static constexpr const char* messages[] = {"inc"};
};
struct OneEach : Base {
  MessageSpec messages[1] = {};
};
struct Hidden : Base {
 private:
  static constexpr MessageSpec messages[] = {{Kind::call, "inc"}};
};
struct Nameless : Base {
  static constexpr MessageSpec messages[] = {{Kind::call, ""}};
};
struct OfTwoLines : Base {
  static constexpr MessageSpec messages[] = {{Kind::call, "inc", "", "one\ntwo"}};
};
struct Unhandled : Base {
  static constexpr MessageSpec messages[] = {{Kind::cast, "inc"}};
};
struct Doubled : Base {
  static constexpr MessageSpec messages[] = {{Kind::call, "inc"}, {Kind::call, "inc", "N"}};
};
struct Many : Base {
  static constexpr std::array<MessageSpec, 257> messages = [] {
    std::array<MessageSpec, 257> made{};
    constexpr std::string_view kBytes = "0123456789abcdefg";
    for (std::size_t i = 0; i < made.size(); ++i)
      made[i].name = kBytes.substr(i % 17, 1 + i / 17 % (17 - i % 17));
    return made;
  }();
};

}  // namespace

template const peeper::abi::Behaviour* peeper::detail::behaviour_table<AtRunTime>();
template const peeper::abi::Behaviour* peeper::detail::behaviour_table<OfTexts>();
template const peeper::abi::Behaviour* peeper::detail::behaviour_table<OneEach>();
template const peeper::abi::Behaviour* peeper::detail::behaviour_table<Hidden>();
template const peeper::abi::Behaviour* peeper::detail::behaviour_table<Nameless>();
template const peeper::abi::Behaviour* peeper::detail::behaviour_table<OfTwoLines>();
template const peeper::abi::Behaviour* peeper::detail::behaviour_table<Unhandled>();
template const peeper::abi::Behaviour* peeper::detail::behaviour_table<Doubled>();
template const peeper::abi::Behaviour* peeper::detail::behaviour_table<Many>();
