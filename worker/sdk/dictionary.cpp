#include "peeper/dictionary.hpp"

#include "peeper/detail/host.hpp"

namespace peeper {

namespace {

// A key that is empty, but is one: null data would mean "before the first".
abi::Bytes as_key(std::string_view key) noexcept {
  return key.data() == nullptr ? abi::Bytes{"", 0} : detail::as_bytes(key);
}

std::string_view view(const abi::Bytes& bytes) noexcept { return {bytes.data, bytes.size}; }

}  // namespace

std::optional<std::string_view> Dictionary::get(std::string_view key) const {
  abi::Bytes value{};
  if (!detail::host().dictionary_get(as_key(key), &value)) return std::nullopt;
  return view(value);
}

void Dictionary::put(std::string_view key, std::string_view value) const {
  detail::host().dictionary_put(as_key(key), detail::as_bytes(value));
}

bool Dictionary::erase(std::string_view key) const {
  return detail::host().dictionary_erase(as_key(key));
}

std::size_t Dictionary::size() const { return detail::host().dictionary_size(); }

Dictionary::iterator::value_type Dictionary::iterator::operator*() const noexcept {
  return {view(key_), view(value_)};
}

Dictionary::iterator& Dictionary::iterator::operator++() {
  step(as_key(view(key_)));
  return *this;
}

void Dictionary::iterator::step(abi::Bytes from) {
  found_ = detail::host().dictionary_next(from, &key_, &value_);
}

}  // namespace peeper
