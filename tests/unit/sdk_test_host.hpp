// The worker's services for tests: remembers what a behaviour asked for, in the order in which it
// did. One at a time, as long as the TestHeap that it is added to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "peeper/abi.hpp"
#include "peeper/message.hpp"
#include "sdk_test_heap.hpp"

namespace peeper::test {

class TestHost {
 public:
  explicit TestHost(TestHeap& heap) {
    current_ = this;
    abi::Host& host = heap.host();
    host.reply = &reply;
    host.send_after = &send_after;
    host.cancel = &cancel;
    host.post = &post;
    host.call = &call;
    host.publish = &publish;
    host.dictionary_get = &get;
    host.dictionary_put = &put;
    host.dictionary_erase = &erase;
    host.dictionary_next = &next;
    host.dictionary_size = &size;
    host.server = {kServer.data(), kServer.size()};
    host.incarnation = 3;
  }
  TestHost(const TestHost&) = delete;
  TestHost& operator=(const TestHost&) = delete;
  ~TestHost() { current_ = nullptr; }

  static constexpr std::string_view kServer = "tested";

  // One line each, such as "cast bank pay 5"; strings are divided by blanks.
  std::vector<std::string> done;
  // The two that have more to them than strings.
  abi::From replied{};
  std::uint64_t last_ns = 0;
  // What the next calls return.
  bool can_reply = true;
  std::int64_t left_ns = -1;
  std::map<std::string, std::string, std::less<>> dictionary;

 private:
  static std::string text(abi::Bytes bytes) {
    return bytes.size == 0 ? std::string() : std::string(bytes.data, bytes.size);
  }
  static std::string all(abi::Bytes name, const abi::Bytes* arguments, std::size_t count) {
    std::string line = text(name);
    for (std::size_t i = 0; i < count; ++i) line += " " + text(arguments[i]);
    return line;
  }

  static bool reply(const abi::From* from, abi::Bytes value) {
    current_->replied = *from;
    current_->done.push_back("reply " + text(value));
    return current_->can_reply;
  }
  static std::uint64_t send_after(std::uint64_t ns, abi::Bytes name, const abi::Bytes* arguments,
                                  std::size_t count) {
    current_->last_ns = ns;
    current_->done.push_back("after " + all(name, arguments, count));
    return current_->done.size();
  }
  static std::int64_t cancel(std::uint64_t timer) {
    current_->done.push_back("cancel " + std::to_string(timer));
    return current_->left_ns;
  }
  static void post(abi::Post kind, abi::Bytes server, abi::Bytes name, const abi::Bytes* arguments,
                   std::size_t count) {
    const std::string how = kind == abi::Post::kCast ? "cast " : "send ";
    current_->done.push_back(how + text(server) + " " + all(name, arguments, count));
  }
  static std::uint64_t call(std::uint64_t timeout_ns, abi::Bytes server, abi::Bytes name,
                            const abi::Bytes* arguments, std::size_t count) {
    current_->last_ns = timeout_ns;
    current_->done.push_back("call " + text(server) + " " + all(name, arguments, count));
    return current_->done.size();
  }
  static void publish(abi::Bytes channel, abi::Bytes value) {
    current_->done.push_back("publish " + text(channel) + " " + text(value));
  }

  static bool get(abi::Bytes key, abi::Bytes* value) {
    const auto at = current_->dictionary.find(text(key));
    if (at == current_->dictionary.end()) return false;
    *value = {at->second.data(), at->second.size()};
    return true;
  }
  static void put(abi::Bytes key, abi::Bytes value) {
    current_->dictionary[text(key)] = text(value);
  }
  static bool erase(abi::Bytes key) { return current_->dictionary.erase(text(key)) != 0; }
  // A key without bytes is handed out as a null pointer, as a worker may do.
  static bool next(abi::Bytes key, abi::Bytes* next, abi::Bytes* value) {
    const auto& all = current_->dictionary;
    const auto at = key.data == nullptr ? all.begin() : all.upper_bound(text(key));
    if (at == all.end()) return false;
    *next = {at->first.empty() ? nullptr : at->first.data(), at->first.size()};
    *value = {at->second.data(), at->second.size()};
    return true;
  }
  static std::size_t size() { return current_->dictionary.size(); }

  static inline TestHost* current_ = nullptr;
};

}  // namespace peeper::test
