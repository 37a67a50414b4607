// A listener from a shared object (keeper/include/peeper/listener.hpp). What it throws is logged
// here. The shared object stays loaded for good: its threads, if it has any, may still run.
#pragma once

#include <memory>
#include <string>

#include "common/result.hpp"
#include "keeper/event.hpp"
#include "keeper/include/peeper/listener_abi.hpp"

namespace peeper::keeper {

class ObjectListener final : public EventListener {
 public:
  // Runs its initialisers, and makes its object. `file`: absolute.
  static Result<std::unique_ptr<ObjectListener>> load(const std::string& file);
  ~ObjectListener() override { table_.destroy(object_); }
  ObjectListener(const ObjectListener&) = delete;
  ObjectListener& operator=(const ObjectListener&) = delete;

  void hear(const StateEvent& event) override;
  [[nodiscard]] bool wants_text() const override { return true; }

 private:
  ObjectListener(const listener_abi::Table& table, void* object)
      : table_(table), object_(object) {}

  const listener_abi::Table table_;  // a copy that was checked
  void* const object_;
};

}  // namespace peeper::keeper
