// What a callback may ask of the runtime, all of it part of the running transaction: replies and
// outgoing messages beyond the rings' published ends, timers and the rest in the heap.
//
// A transaction that only reads - its callback's State is const, or reads_only said yes - becomes
// one that writes when it asks for something that lies in the heap, memory included.
//
// Owner: Runtime. Thread: the callback thread. Outside of a transaction, and where no effects are
// allowed (NoEffects), it throws std::logic_error; a full heap is OutOfStateMemory. A ring without
// room is waited for: without end for replies, which the daemon always drains; for a bounded time
// for outgoing messages, whose receivers may be stuck: then std::runtime_error.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/segment/client_channels.hpp"
#include "common/segment/segment.hpp"
#include "common/segment/transaction.hpp"
#include "peeper/abi.hpp"
#include "worker/runtime/durable.hpp"
#include "worker/runtime/heap.hpp"
#include "worker/runtime/page_guard.hpp"

namespace peeper::worker {

// What is thrown where `callback` has effects though it may have none.
[[nodiscard]] std::string no_effects_text(const char* callback);

class Services {
 public:
  // `bell`: the daemon's eventfd. `dedupe_window`: tokens that are remembered.
  Services(const segment::Segment& segment, segment::Transaction& transaction,
           segment::ClientChannels& clients, PageGuard& guard, Heap& heap, int bell,
           std::size_t dedupe_window)
      : segment_(segment),
        transaction_(transaction),
        clients_(clients),
        guard_(guard),
        heap_(heap),
        bell_(bell),
        dedupe_window_(dedupe_window) {}

  // --- For the runtime ---------------------------------------------------------------------------
  // After Transaction::begin().
  void open(PageGuard::Access access);
  // Since open(): may the callback write the State?
  [[nodiscard]] bool writes() const { return open_for_ == PageGuard::Access::kWrites; }
  // Before the commit, or instead of it.
  void close() {
    open_for_.reset();
    guard_.seal();
  }

  // While it lives, callbacks may look but have no effect: `callback` is what the exception names.
  class NoEffects {
   public:
    NoEffects(Services& services, const char* callback) : services_(services) {
      services_.no_effects_in_ = callback;
    }
    NoEffects(const NoEffects&) = delete;
    NoEffects& operator=(const NoEffects&) = delete;
    ~NoEffects() { services_.no_effects_in_ = nullptr; }

   private:
    Services& services_;
  };

  [[nodiscard]] const Durable& durable() const { return heap_.durable(); }
  // To be changed. A transaction that only read until now writes from here on.
  Durable& change();
  // The call that runs, of which reply_in_callback() shall tell. Until the next open().
  void watch(const abi::From& call) { watched_ = call; }
  // Its first reply that the callback has given by itself, before it returned.
  [[nodiscard]] const std::optional<std::string>& reply_in_callback() const { return first_reply_; }
  // What tokens may take, with a state_size that may have been raised.
  [[nodiscard]] Tokens::Bounds token_bounds() const {
    return {dedupe_window_, segment_.heap().size() / kTokensShare};
  }
  void ring();

  // --- For callbacks, by way of the Host ---------------------------------------------------------
  [[nodiscard]] void* allocate(std::size_t bytes, std::size_t alignment);

  // Answers a call; records the reply under the call's token. False if the caller is known to be
  // gone.
  bool reply(const abi::From& to, std::string_view value);
  // Without looking for a token.
  bool answer(const abi::From& to, std::string_view value);
  bool answer_client(const abi::From& to, std::string_view value);

  using Strings = std::span<const std::string_view>;
  std::uint64_t send_after(std::uint64_t ns, Strings strings);
  std::optional<std::uint64_t> cancel(std::uint64_t timer);
  // `strings`: the receiver, the message's name, its arguments.
  void post(segment::OutgoingType type, Strings strings);
  std::uint64_t call(std::uint64_t timeout_ns, Strings strings);
  void publish(std::string_view channel, std::string_view value);

 private:
  void require_effects() const;
  void send(segment::OutgoingType type, std::uint64_t reference, std::uint64_t target,
            Strings strings);
  void wait_for_room(const segment::Atomic64& head, std::uint64_t most_ns);

  const segment::Segment& segment_;
  segment::Transaction& transaction_;
  segment::ClientChannels& clients_;
  PageGuard& guard_;
  Heap& heap_;
  const int bell_;
  const std::size_t dedupe_window_;
  std::optional<PageGuard::Access> open_for_;
  const char* no_effects_in_ = nullptr;
  std::optional<abi::From> watched_;
  std::optional<std::string> first_reply_;
};

}  // namespace peeper::worker
