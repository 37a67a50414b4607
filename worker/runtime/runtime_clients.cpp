// Clients' own channels: which there are, their requests, and sleeping until there is one.
#include <sys/socket.h>

#include <boost/container/static_vector.hpp>

#include "common/clock.hpp"
#include "common/launch.hpp"
#include "common/limits.hpp"
#include "common/pass_fd.hpp"
#include "common/segment/futex.hpp"
#include "common/segment/message.hpp"
#include "worker/runtime/runtime.hpp"

namespace peeper::worker {
namespace {

using segment::ClientFault;
using segment::MessageType;
using Access = PageGuard::Access;

// A copy that grew beyond this for a large request is given back after it.
constexpr std::size_t kKeptBytes = 64 * 1024;

}  // namespace

// The daemon changes the entries and passes the files before it says that something changed. What
// can't be mapped stays unserved: its client's calls time out, and everybody else is served.
void Runtime::attend_clients() {
  clients_seen_ = control_.mailbox.clients_changed.load(std::memory_order_acquire);
  clients_.drop_closed(control_);
  for (segment::ClientEntry& entry : control_.clients) {
    const std::uint32_t attached = entry.attached.load(std::memory_order_relaxed);
    if (attached != 0 && clients_.find(attached) == nullptr)
      entry.attached.store(0, std::memory_order_release);
  }
  launch::ToWorker packet{};
  UniqueFd file;
  const auto next = [&] {
    return receive_with_fd(line_, &packet, sizeof packet, file, MSG_DONTWAIT) == sizeof packet;
  };
  while (next()) {
    if (packet.order != launch::Order::kOpenClient || !file) continue;
    if (!clients_.add(control_, packet.client, std::move(file))) continue;
    segment::ClientChannel* client = clients_.find(packet.client.serial);
    if (client == nullptr) continue;
    segment::ClientEntry& entry = control_.clients[packet.client.index];
    entry.attached.store(packet.client.serial, std::memory_order_release);
    client->take_up(entry, transaction_.sequence());
  }
}

// To one that is suspended there is none.
bool Runtime::has_client_mail() {
  if (segment::is_suspension(obeyed_)) return false;
  for (auto& mapped : clients_.all())
    if (mapped.channel.has_mail()) return true;
  return false;
}

bool Runtime::run_client() {
  auto& all = clients_.all();
  for (std::size_t i = 0; i < all.size(); ++i) {
    last_client_ = (last_client_ + 1) % all.size();
    if (!all[last_client_].channel.has_mail()) continue;
    handle_request(all[last_client_].channel);
    return true;
  }
  return false;
}

// A request is copied before it is looked at: its client may write there meanwhile. One that is none
// is the channel's end, and nobody else's.
void Runtime::handle_request(segment::ClientChannel& client) {
  const auto found = client.first();
  if (found.status != found.kRecord || !segment::is_request(found.head))
    return client.set_fault(ClientFault::kMalformed);
  segment::MessageHead head = found.head;
  head.stream = 0;  // whatever the client says
  head.pid = client.pid();
  if (request_.capacity() > kKeptBytes) request_ = {};
  request_.assign(found.body.begin(), found.body.end());
  const auto token = read_message(head, request_);
  if (!token || token->size() > limits::kTokenBytes) return client.set_fault(ClientFault::kMalformed);

  begin(segment::Channel::kClient, found.position, Access::kReadsOnly, client.serial());
  running_.client = &client;
  running_.request_head = found.position + head.bytes;
  running_.message = head;
  running_.body = request_;
  running_.from = {head.request, 0, 0, client.serial()};
  running_.name = std::string_view{strings_[0].data, strings_[0].size}.substr(0, kShownName);
  barrier([&] {
    if (access_of(head) == Access::kWrites) services_.change();
    handle_user(head, *token);
    if (head.type != MessageType::kCall) services_.answer(running_.from, "+OK\r\n");
  });
  transaction_.take_request(client, running_.request_head);
  commit(transaction_.mailbox_head());
}

// A client publishes its request, or that it has read, then looks at what we say here: one of the
// two sees the other.
void Runtime::wait_for_bells(std::uint32_t seen, std::uint64_t most_ns) {
  segment::MailboxEnds& ends = control_.mailbox;
  if (clients_.all().empty()) {
    if (!have_clients_changed())
      segment::futex_wait(ends.bell, seen,
                          std::chrono::nanoseconds{static_cast<std::int64_t>(most_ns)});
    return;
  }
  boost::container::static_vector<segment::WaitedWord, segment::kMostClients + 1> words;
  words.push_back({&ends.bell, seen});
  for (auto& mapped : clients_.all()) {
    segment::ClientHeader& header = mapped.channel.header();
    words.push_back({&header.worker_bell, header.worker_bell.load(std::memory_order_acquire)});
    header.worker_sleeps.store(1, std::memory_order_relaxed);
    header.room_wanted.store(mapped.channel.needs_room() ? 1 : 0, std::memory_order_relaxed);
  }
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (!has_client_mail() && !have_clients_changed())
    segment::futex_wait_any(words, ns_from_now(most_ns));
  for (const auto& mapped : clients_.all()) {
    mapped.channel.header().worker_sleeps.store(0, std::memory_order_relaxed);
    mapped.channel.header().room_wanted.store(0, std::memory_order_relaxed);
  }
}

}  // namespace peeper::worker
