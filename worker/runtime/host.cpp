#include "worker/runtime/host.hpp"

#include <boost/container/small_vector.hpp>
#include <stdexcept>
#include <utility>

namespace peeper::worker {
namespace {

Services* services = nullptr;
const Durable* looked_at = nullptr;
Heap* heap = nullptr;
PageGuard* guard = nullptr;

std::string_view view(abi::Bytes bytes) { return {bytes.data, bytes.size}; }
abi::Bytes bytes(std::string_view text) { return {text.data(), text.size()}; }

// The strings of a message, in front those that are given beside them.
class Gathered {
 public:
  Gathered(std::initializer_list<abi::Bytes> first, const abi::Bytes* arguments,
           std::size_t count) {
    strings_.reserve(first.size() + count);
    for (const abi::Bytes& text : first) strings_.push_back(view(text));
    for (std::size_t i = 0; i < count; ++i) strings_.push_back(view(arguments[i]));
  }
  operator Services::Strings() const { return {strings_.data(), strings_.size()}; }

 private:
  boost::container::small_vector<std::string_view, 16> strings_;
};

void* allocate(std::size_t size, std::size_t alignment) {
  return services->allocate(size, alignment);
}
void deallocate(void* memory) noexcept { heap->deallocate(memory); }
void touch(const void* memory, std::size_t size) { guard->touch(memory, size); }
bool heap_is_sane() { return heap->is_sane(); }

bool reply(const abi::From* from, abi::Bytes value) { return services->reply(*from, view(value)); }

std::uint64_t send_after(std::uint64_t ns, abi::Bytes name, const abi::Bytes* arguments,
                         std::size_t count) {
  return services->send_after(ns, Gathered{{name}, arguments, count});
}

std::int64_t cancel(std::uint64_t timer) {
  const auto left = services->cancel(timer);
  if (!left) return -1;
  return *left > INT64_MAX ? INT64_MAX : static_cast<std::int64_t>(*left);
}

void post(abi::Post kind, abi::Bytes server, abi::Bytes name, const abi::Bytes* arguments,
          std::size_t count) {
  const auto type = kind == abi::Post::kCast ? segment::OutgoingType::kCast
                                             : segment::OutgoingType::kInfo;
  services->post(type, Gathered{{server, name}, arguments, count});
}

std::uint64_t call(std::uint64_t timeout_ns, abi::Bytes server, abi::Bytes name,
                   const abi::Bytes* arguments, std::size_t count) {
  return services->call(timeout_ns, Gathered{{server, name}, arguments, count});
}

void publish(abi::Bytes channel, abi::Bytes value) {
  services->publish(view(channel), view(value));
}

// --- Dictionary ----------------------------------------------------------------------------------

using Pairs = decltype(Durable::dictionary);

bool get_in(const Pairs& dictionary, abi::Bytes key, abi::Bytes* value) {
  const auto found = dictionary.find(view(key));
  if (found == dictionary.end()) return false;
  *value = bytes(found->second);
  return true;
}

bool next_in(const Pairs& dictionary, abi::Bytes key, abi::Bytes* next, abi::Bytes* value) {
  const auto found =
      key.data == nullptr ? dictionary.begin() : dictionary.upper_bound(view(key));
  if (found == dictionary.end()) return false;
  *next = bytes(found->first);
  *value = bytes(found->second);
  return true;
}

bool dictionary_get(abi::Bytes key, abi::Bytes* value) {
  return get_in(services->durable().dictionary, key, value);
}

void dictionary_put(abi::Bytes key, abi::Bytes value) {
  auto& dictionary = services->change().dictionary;
  peeper::string kept(value.data, value.size);
  const auto found = dictionary.find(view(key));
  if (found != dictionary.end())
    found->second = std::move(kept);
  else
    dictionary.emplace(peeper::string(key.data, key.size), std::move(kept));
}

bool dictionary_erase(abi::Bytes key) {
  const auto& before = services->durable().dictionary;
  if (before.find(view(key)) == before.end()) return false;
  auto& dictionary = services->change().dictionary;
  dictionary.erase(dictionary.find(view(key)));
  return true;
}

bool dictionary_next(abi::Bytes key, abi::Bytes* next, abi::Bytes* value) {
  return next_in(services->durable().dictionary, key, next, value);
}

std::size_t dictionary_size() { return services->durable().dictionary.size(); }

// --- Who only looks ------------------------------------------------------------------------------

[[noreturn]] void refuse() { throw std::logic_error(no_effects_text("format_status")); }

}  // namespace

const abi::Host& make_host(Services& the_services, Heap& the_heap, PageGuard& the_guard,
                           HostFacts facts) {
  services = &the_services;
  heap = &the_heap;
  guard = &the_guard;
  static abi::Host host{};
  host = {.size = sizeof(abi::Host),
          .sdk_version = abi::kSdkVersion,
          .allocate = allocate,
          .deallocate = deallocate,
          .touch = touch,
          .heap_is_sane = heap_is_sane,
          .reply = reply,
          .send_after = send_after,
          .cancel = cancel,
          .post = post,
          .call = call,
          .publish = publish,
          .dictionary_get = dictionary_get,
          .dictionary_put = dictionary_put,
          .dictionary_erase = dictionary_erase,
          .dictionary_next = dictionary_next,
          .dictionary_size = dictionary_size,
          .server = bytes(facts.server),
          .incarnation = facts.incarnation};
  return host;
}

// What a const container may call does nothing.
const abi::Host& make_looking_host(HostFacts facts) {
  static abi::Host host{};
  host = {.size = sizeof(abi::Host),
          .sdk_version = abi::kSdkVersion,
          .allocate = [](std::size_t, std::size_t) -> void* { refuse(); },
          .deallocate = [](void*) noexcept {},
          .touch = [](const void*, std::size_t) {},
          .heap_is_sane = [] { return true; },
          .reply = [](const abi::From*, abi::Bytes) -> bool { refuse(); },
          .send_after = [](std::uint64_t, abi::Bytes, const abi::Bytes*,
                           std::size_t) -> std::uint64_t { refuse(); },
          .cancel = [](std::uint64_t) -> std::int64_t { refuse(); },
          .post = [](abi::Post, abi::Bytes, abi::Bytes, const abi::Bytes*,
                     std::size_t) { refuse(); },
          .call = [](std::uint64_t, abi::Bytes, abi::Bytes, const abi::Bytes*,
                     std::size_t) -> std::uint64_t { refuse(); },
          .publish = [](abi::Bytes, abi::Bytes) { refuse(); },
          .dictionary_get =
              [](abi::Bytes key, abi::Bytes* value) {
                return looked_at != nullptr && get_in(looked_at->dictionary, key, value);
              },
          .dictionary_put = [](abi::Bytes, abi::Bytes) { refuse(); },
          .dictionary_erase = [](abi::Bytes) -> bool { refuse(); },
          .dictionary_next =
              [](abi::Bytes key, abi::Bytes* next, abi::Bytes* value) {
                return looked_at != nullptr && next_in(looked_at->dictionary, key, next, value);
              },
          .dictionary_size =
              [] { return looked_at != nullptr ? looked_at->dictionary.size() : std::size_t{0}; },
          .server = bytes(facts.server),
          .incarnation = facts.incarnation};
  return host;
}

void show_dictionary(const Durable* durable) { looked_at = durable; }

}  // namespace peeper::worker
