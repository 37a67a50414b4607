#include "keeper/object_listener.hpp"

#include <dlfcn.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstring>

#include "common/utf8.hpp"

namespace peeper::keeper {
namespace {

using listener_abi::Table;

listener_abi::Bytes bytes_of(std::string_view text) { return {text.data(), text.size()}; }

std::string text_of(const listener_abi::Thrown& thrown) {
  const std::string_view text{thrown.text, std::min(thrown.size, sizeof thrown.text)};
  return escape_control(text);
}

std::string last_error() {
  const char* error = ::dlerror();
  return error == nullptr ? "no reason given" : error;
}

}  // namespace

Result<std::unique_ptr<ObjectListener>> ObjectListener::load(const std::string& file) {
  void* library = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return Failure{"cannot load it: " + last_error(), 0};
  using Entry = const Table* (*)();
  const auto entry = reinterpret_cast<Entry>(::dlsym(library, listener_abi::kEntryPoint));
  const Table* given = entry == nullptr ? nullptr : entry();
  if (given == nullptr || given->magic != listener_abi::kMagic)
    return Failure{file + " is no listener: PEEPER_LISTENER(...) is missing in it", 0};
  if (given->version != listener_abi::kVersion || given->bytes != sizeof(Table))
    return Failure{file + " was compiled for version " + std::to_string(given->version) +
                       " of listeners, this keeper knows version " +
                       std::to_string(listener_abi::kVersion) + ": compile it again",
                   0};
  const Table table = *given;
  listener_abi::Thrown thrown{};
  void* object = table.create(&thrown);
  if (object == nullptr)
    return Failure{"its constructor threw: " + text_of(thrown), 0};
  return std::unique_ptr<ObjectListener>{new ObjectListener(table, object)};
}

void ObjectListener::hear(const StateEvent& event) {
  listener_abi::Event told{};
  told.server = bytes_of(event.server);
  told.sequence = event.sequence;
  told.changes = event.changes;
  told.reason = bytes_of(event.reason);
  told.state = bytes_of(event.state_text());
  listener_abi::Thrown thrown{};
  const bool is_change = event.kind == StateEvent::Kind::kChanged;
  if (is_change) {
    told.old_state = bytes_of(event.old_text());
    table_.on_state_changed(object_, &told, &thrown);
  } else {
    table_.on_terminate(object_, &told, &thrown);
  }
  if (thrown.size == 0) return;
  spdlog::error("listener {}: {} threw at sequence {}: {}", table_.name,
                is_change ? "on_state_changed" : "on_terminate", event.sequence, text_of(thrown));
}

}  // namespace peeper::keeper
