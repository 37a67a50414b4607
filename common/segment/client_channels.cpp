#include "common/segment/client_channels.hpp"

#include <algorithm>
#include <utility>

namespace peeper::segment {

bool ClientChannels::add(const Control& control, const OpenedClient& opened, UniqueFd file) {
  if (opened.serial == 0 || opened.index >= kMostClients ||
      control.clients[opened.index].serial.load(std::memory_order_acquire) != opened.serial ||
      find(opened.serial) != nullptr)
    return true;
  auto memory = ClientMemory::map(file.get(), opened.ring_bytes);
  if (!memory) return false;
  mapped_.push_back({opened.index, ClientChannel{*std::move(memory), opened.serial}});
  return true;
}

void ClientChannels::drop_closed(const Control& control) {
  std::erase_if(mapped_, [&](const Mapped& mapped) {
    return control.clients[mapped.index].serial.load(std::memory_order_acquire) !=
           mapped.channel.serial();
  });
}

void ClientChannels::take_up(Control& control) {
  const std::uint64_t committed = control.committed.load(std::memory_order_acquire);
  for (Mapped& mapped : mapped_)
    mapped.channel.take_up(control.clients[mapped.index], committed);
}

ClientChannel* ClientChannels::find(std::uint32_t serial) {
  const auto found = std::ranges::find_if(
      mapped_, [&](const Mapped& mapped) { return mapped.channel.serial() == serial; });
  return found == mapped_.end() ? nullptr : &found->channel;
}

}  // namespace peeper::segment
