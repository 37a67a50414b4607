// Messages and init arguments for tests, with the memory that they are views of.
#pragma once

#include <deque>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "peeper/abi.hpp"
#include "peeper/message.hpp"

namespace peeper::test {

inline std::vector<abi::Bytes> as_bytes(const std::vector<std::string>& texts) {
  std::vector<abi::Bytes> bytes;
  for (const std::string& text : texts) bytes.push_back({text.data(), text.size()});
  return bytes;
}

struct TestMessage {
  TestMessage(abi::MessageKind kind, std::string_view message_name,
              std::vector<std::string> message_arguments)
      : name(message_name), texts(std::move(message_arguments)), arguments(as_bytes(texts)) {
    message.kind = kind;
    message.argument_count = static_cast<std::uint32_t>(arguments.size());
    message.name = {name.data(), name.size()};
    message.arguments = arguments.data();
  }
  TestMessage(const TestMessage&) = delete;
  TestMessage& operator=(const TestMessage&) = delete;

  std::string name;
  std::vector<std::string> texts;
  std::vector<abi::Bytes> arguments;
  abi::Message message{};
};

struct TestArgs {
  TestArgs(std::vector<std::string> given, bool named)
      : texts(std::move(given)), bytes(as_bytes(texts)), args(bytes.data(), bytes.size(), named) {}
  TestArgs(const TestArgs&) = delete;
  TestArgs& operator=(const TestArgs&) = delete;

  std::vector<std::string> texts;
  std::vector<abi::Bytes> bytes;
  Args args;
};

}  // namespace peeper::test
