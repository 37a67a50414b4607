// Segments that don't fit: refused with what differs and how to start over, and never touched.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "file_content.hpp"
#include "instance.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

namespace fs = std::filesystem;

void write_private(const fs::path& file, const std::string& bytes) {
  std::ofstream{file, std::ios::binary} << bytes;
  fs::permissions(file, fs::perms::owner_read | fs::perms::owner_write);
}

// The behaviour "mine" is what lies beside the configuration: one of the shapes.
void install(const Instance& instance, const std::string& shape) {
  fs::copy_file(fs::path(program("")).parent_path() / "../lib/peeper" / (shape + ".so"),
                instance.directory() / "mine.so", fs::copy_options::overwrite_existing);
}

std::string mine(std::string_view behaviour = "mine", std::string_view more = "") {
  return "[[server]]\nname = \"mine\"\nbehaviour = \"" + std::string(behaviour) +
         "\"\nstate_size = \"1MiB\"\n" + std::string(more) + "\n";
}

void configure(const Instance& instance, const std::string& config) {
  std::ofstream{instance.config_file()} << config;
}

// Starts peeperd, looks why the server is down, stops it.
std::string down_text(Instance& peeperd, const std::string& name = "mine") {
  peeperd.start();
  peeperd.await([&] { return peeperd.text_fact(name, "state") == "down"; });
  const std::string text = peeperd.talk()({"CALL", name, "inc"});
  const Ran status = peeperd.peeper({"status", name});
  CHECK(status.out.find(text.substr(1)) != std::string::npos);
  peeperd.stop();
  return text;
}

bool names_the_way_out(const std::string& text, const Instance& instance) {
  return text.find("to start over with an empty state") != std::string::npos &&
         text.find("rm " + instance.segment("mine")) != std::string::npos;
}

}  // namespace

TEST_CASE("a State of another size or version is refused, and its segment kept for the former") {
  struct Change {
    const char* shape;
    const char* differs;
  };
  Instance peeperd{mine()};
  install(peeperd, "shape");
  peeperd.start();
  CHECK(peeperd.talk()({"CALL", "mine", "inc"}) == "1");
  peeperd.stop();
  std::int64_t count = 1;
  for (const Change& change : {Change{"shape_larger", "its size was 8, is 16"},
                               Change{"shape_newer", "its version was 0, is 2"}}) {
    CAPTURE(change.shape);
    install(peeperd, change.shape);
    const std::string before = content_of(peeperd.segment("mine"));
    const std::string down = down_text(peeperd);
    CAPTURE(down);
    CHECK(down.starts_with("-DOWN mine: State changed since segment " + peeperd.segment("mine") +
                           " was made: " + change.differs +
                           ". Use the behaviour it was made with"));
    CHECK(names_the_way_out(down, peeperd));
    // Bookkeeping aside (who runs, which daemon), all is as it was: what lies behind it is equal.
    const std::string after = content_of(peeperd.segment("mine"));
    REQUIRE(after.size() == before.size());
    constexpr std::size_t kBookkeeping = 64 * 1024;
    CHECK(after.substr(kBookkeeping) == before.substr(kBookkeeping));

    install(peeperd, "shape");
    peeperd.start();
    CHECK(peeperd.talk()({"CALL", "mine", "inc"}) == std::to_string(++count));
    peeperd.stop();
  }
  // The way out that was named works.
  install(peeperd, "shape_larger");
  fs::remove(peeperd.segment("mine"));
  peeperd.start();
  CHECK(peeperd.talk()({"CALL", "mine", "inc"}) == "1");
  peeperd.stop();
}

TEST_CASE("another behaviour, state_size or mailbox than the segment's is refused") {
  Instance peeperd{mine()};
  install(peeperd, "shape");
  peeperd.start();
  CHECK(peeperd.talk()({"CALL", "mine", "inc"}) == "1");
  peeperd.stop();
  const std::string before = content_of(peeperd.segment("mine"));
  struct Change {
    std::string config;
    std::string differs;
  };
  const Change changes[] = {
      {mine("counter"), "has behaviour 'mine', the configuration asks for 'counter'"},
      {"[[server]]\nname = \"mine\"\nbehaviour = \"mine\"\nstate_size = \"512KiB\"\n",
       "has state_size 1048576, the configuration asks for 524288"},
      {mine("mine", "mailbox = \"64KiB\""),
       "has mailbox 4194304, the configuration asks for 65536"}};
  for (const auto& [config, differs] : changes) {
    configure(peeperd, config);
    const std::string down = down_text(peeperd);
    CAPTURE(down);
    CHECK(down.starts_with("-DOWN mine: segment " + peeperd.segment("mine")));
    CHECK(down.find(differs) != std::string::npos);
    CHECK(names_the_way_out(down, peeperd));
    CHECK(content_of(peeperd.segment("mine")) == before);
  }
  configure(peeperd, mine());
  peeperd.start();
  CHECK(peeperd.talk()({"CALL", "mine", "inc"}) == "2");
  peeperd.stop();
}

TEST_CASE("a file of garbage in the segment's place is refused and not touched") {
  const std::uint32_t seed = fresh_seed();
  CAPTURE(seed);
  std::mt19937 random{seed};
  Instance peeperd{mine()};
  install(peeperd, "shape");
  for (const std::size_t size : {1UL, 100UL, 4096UL, 10'000UL, 1'000'000UL}) {
    CAPTURE(size);
    std::string garbage(size, '\1');
    for (char& byte : garbage) byte = static_cast<char>(random() | 1U);
    write_private(peeperd.segment("mine"), garbage);
    const std::string down = down_text(peeperd);
    CAPTURE(down);
    CHECK(down.starts_with("-DOWN mine: segment " + peeperd.segment("mine") + " "));
    CHECK(names_the_way_out(down, peeperd));
    CHECK(content_of(peeperd.segment("mine")) == garbage);
  }
  fs::remove(peeperd.segment("mine"));
}

TEST_CASE("a segment with one damaged word in its header is refused or works, and harms nobody") {
  const std::uint32_t seed = fresh_seed();
  CAPTURE(seed);
  std::mt19937 random{seed};
  Instance peeperd{mine("mine", "mailbox = \"64KiB\"\nmax_restarts = 0") + counter_config()};
  install(peeperd, "shape");
  peeperd.start();
  CHECK(peeperd.talk()({"CALL", "mine", "inc"}) == "1");
  peeperd.stop();
  const std::string good = content_of(peeperd.segment("mine"));
  for (std::size_t word = 0; word < 32; ++word) {
    CAPTURE(word);
    std::string damaged = good;
    for (std::size_t i = 0; i < 8; ++i) damaged[8 * word + i] = static_cast<char>(random() | 1U);
    write_private(peeperd.segment("mine"), damaged);
    peeperd.start();
    Talk talk = peeperd.talk();
    const std::string answer = talk({"CALL", "mine", "inc"});
    CAPTURE(answer);
    CHECK((answer == "2" || answer.starts_with("-DOWN mine: ") ||
           answer.starts_with("-CRASHED mine: ")));
    CHECK(talk({"CALL", "counter", "inc"}).front() != '-');
    peeperd.stop();
  }
}

TEST_CASE("a segment that others may open is refused") {
  Instance peeperd{mine()};
  install(peeperd, "shape");
  peeperd.start();
  CHECK(peeperd.talk()({"CALL", "mine", "inc"}) == "1");
  CHECK((fs::status(peeperd.segment("mine")).permissions() & fs::perms::all) ==
        (fs::perms::owner_read | fs::perms::owner_write));
  peeperd.stop();
  for (const auto more : {fs::perms::others_read, fs::perms::group_read, fs::perms::others_write}) {
    fs::permissions(peeperd.segment("mine"), more, fs::perm_options::add);
    const std::string down = down_text(peeperd);
    CHECK(down.starts_with("-DOWN mine: segment " + peeperd.segment("mine") +
                           " belongs to another user or is open to others; expected owner "));
    fs::permissions(peeperd.segment("mine"), more, fs::perm_options::remove);
  }
  peeperd.start();
  CHECK(peeperd.talk()({"CALL", "mine", "inc"}) == "2");
  peeperd.stop();
}

TEST_CASE("a segment's name that leads elsewhere is refused") {
  Instance peeperd{mine()};
  install(peeperd, "shape");
  const fs::path elsewhere = peeperd.directory() / "elsewhere";
  write_private(elsewhere, "");
  fs::create_symlink(elsewhere, peeperd.segment("mine"));
  CHECK(down_text(peeperd).starts_with("-DOWN mine: cannot open segment "));
  CHECK(content_of(elsewhere) == "");
  fs::remove(peeperd.segment("mine"));
}
