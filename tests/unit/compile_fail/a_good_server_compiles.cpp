// The canary: if this fails, the others fail for the wrong reason.
#include <peeper/containers.hpp>
#include <peeper/server.hpp>

#include <array>
#include <atomic>
#include <bitset>
#include <chrono>
#include <complex>
#include <tuple>
#include <utility>
#include <variant>

namespace outside {
class Money {
 public:
  explicit Money(int cents) : cents_(cents) {}
  [[nodiscard]] int cents() const { return cents_; }

 private:
  int cents_;
};
}  // namespace outside

template <>
inline constexpr bool peeper::lives_in_heap<outside::Money> = true;

namespace {

struct Node {
  peeper::string name;
  peeper::vector<Node> children;
  peeper::unique_ptr<Node> next;
  peeper::ptr<Node> previous;
};

enum class Mood { calm, cross };

struct Good {
  struct State {
    int number;
    char room[65536];
    std::array<double, 3> numbers;
    std::pair<int, peeper::string> pair;
    std::tuple<int, char> tuple;
    peeper::optional<peeper::string> optional;
    std::variant<std::monostate, int, Node> variant;
    Node node;
    Mood mood;
    std::byte byte;
    std::chrono::milliseconds duration;
    std::chrono::system_clock::time_point time;
    std::chrono::year_month_day day;
    std::bitset<9> bits;
    std::atomic<int> atomic;
    std::complex<double> complex;
    peeper::map<peeper::string, Node> map;
    peeper::flat_map<int, peeper::string> flat_map;
    peeper::set<peeper::string> set;
    peeper::unordered_map<peeper::string, Node> unordered_map;
    peeper::unordered_set<long> unordered_set;
    peeper::small_vector<int, 4> small_vector;
    peeper::static_vector<int, 4> static_vector;
    peeper::deque<int> deque;
    peeper::list<Node> list;
    int grid[3][4];
    outside::Money money{0};
    peeper::From waiting;
  };
  State init() { return {}; }
  int handle_call(const peeper::Message&, const State& state) { return state.number; }
  void handle_cast(const peeper::Message&, State&) {}
  peeper::Result handle_info(peeper::Message, State&) { return peeper::noreply(); }
  void terminate(std::string_view, State&) {}
};

}  // namespace

PEEPER_SERVER(Good);
