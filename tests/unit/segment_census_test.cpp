// What lies in /dev/shm, seen from outside, and what of it may be removed.
#include "common/segment/census.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <thread>

#include "common/unique_fd.hpp"
#include "daemon/commands/segment_fate.hpp"
#include "segment_fixture.hpp"

using namespace peeper;
using namespace peeper::segment;
using namespace std::chrono_literals;
using daemon::fate_of;
using daemon::SegmentFate;
using peeper::test::fresh_id;
using peeper::test::small_segment;
using peeper::test::TestSegment;

namespace {

// One that a server has left behind.
struct LeftSegment {
  SegmentId id = fresh_id();
  LeftSegment() { [[maybe_unused]] const Segment gone = TestSegment::make(id, small_segment()); }
  ~LeftSegment() { remove_segment(id); }
};

bool is_there(const SegmentId& id) {
  struct stat facts {};
  return ::lstat(id.path().c_str(), &facts) == 0;
}

int error_of(const Result<void>& result) { return result ? 0 : result.error().system_error; }

}  // namespace

TEST_CASE("census: a file's name says the server, and no instance takes another's") {
  CHECK(server_in("peeper.a.b", "a") == "b");
  CHECK(server_in("peeper.a.b.c", "a") == "b.c");
  CHECK(server_in("peeper.a.b.c", "b") == "");
  CHECK(server_in("peeper.ab.c", "a") == "");
  CHECK(server_in("peeper.a.c", "ab") == "");
  CHECK(server_in("peeper.a", "a") == "");
  CHECK(server_in("peeper.a.", "a") == "");
  CHECK(server_in("other.a.b", "a") == "");
}

TEST_CASE("census: only a whole header of the file's own server is a segment") {
  const TestSegment made;
  const std::string good(reinterpret_cast<const char*>(&made.segment.header()), sizeof(Header));
  const std::uint64_t bytes = made.segment.plan().total_bytes;
  CHECK(kind_of(good, bytes, "server") == FileKind::kSegment);
  CHECK(kind_of(good, bytes - 1, "server") == FileKind::kNoSegment);
  CHECK(kind_of(good, bytes, "server.x") == FileKind::kNoSegment);
  CHECK(kind_of(good.substr(0, 100), bytes, "server") == FileKind::kNoSegment);
  CHECK(kind_of("", 0, "server") == FileKind::kNoSegment);
  const auto changed = [&](std::size_t offset, std::uint64_t value, std::size_t size) {
    std::string header = good;
    std::memcpy(header.data() + offset, &value, size);
    return kind_of(header, bytes, "server");
  };
  CHECK(changed(offsetof(Header, magic), 0, 8) == FileKind::kNoSegment);
  CHECK(changed(offsetof(Header, layout_version), kLayoutVersion + 1, 4) ==
        FileKind::kOtherVersion);
  CHECK(changed(offsetof(Header, page_bytes), 8192, 4) == FileKind::kNoSegment);
  CHECK(changed(offsetof(Header, current), 2, 8) == FileKind::kNoSegment);
  CHECK(changed(offsetof(Header, plans) + offsetof(Plan, total_bytes), bytes + 4096, 8) ==
        FileKind::kNoSegment);
  CHECK(changed(offsetof(Header, server), 'x', 1) == FileKind::kNoSegment);
  std::string endless = good;
  std::memset(endless.data() + offsetof(Header, server), 's', sizeof(Header::server));
  CHECK(kind_of(endless, bytes, "server") == FileKind::kNoSegment);
}

TEST_CASE("census: only what is whole, one's own, unheld and in no configuration is stale") {
  SegmentFile file{.id = {}, .kind = FileKind::kSegment, .owner = 7};
  CHECK(fate_of(file, false, 7) == SegmentFate::kStale);
  CHECK(fate_of(file, true, 7) == SegmentFate::kConfigured);
  CHECK(fate_of(file, false, 0) == SegmentFate::kOtherUser);
  CHECK(fate_of(file, true, 0) == SegmentFate::kConfigured);
  file.is_held = true;
  CHECK(fate_of(file, false, 7) == SegmentFate::kHeld);
  file.is_held = false;
  file.kind = FileKind::kOtherVersion;
  CHECK(fate_of(file, false, 7) == SegmentFate::kOtherVersion);
  file.kind = FileKind::kNoSegment;
  CHECK(fate_of(file, false, 7) == SegmentFate::kNoSegment);
  CHECK(fate_of(file, true, 7) == SegmentFate::kNoSegment);
}

TEST_CASE("census: what there is of an instance is listed by name, with who holds it") {
  const TestSegment held;
  SegmentId other = held.id;
  other.server = "server.2";
  { [[maybe_unused]] const Segment gone = TestSegment::make(other, small_segment()); }
  SegmentId garbage = held.id;
  garbage.server = "garbage";
  std::ofstream{garbage.path()} << std::string(300'000, 'x');
  const auto files = segment_files(held.id.instance);
  REQUIRE(files.has_value());
  REQUIRE(files->size() == 3);
  CHECK((*files)[0].id.server == "garbage");
  CHECK((*files)[0].kind == FileKind::kNoSegment);
  CHECK((*files)[1].id.server == "server");
  CHECK((*files)[1].kind == FileKind::kSegment);
  CHECK((*files)[1].is_held);
  CHECK((*files)[2].id.server == "server.2");
  CHECK((*files)[2].kind == FileKind::kSegment);
  CHECK_FALSE((*files)[2].is_held);
  CHECK((*files)[2].owner == ::geteuid());
  CHECK((*files)[2].bytes == held.segment.plan().total_bytes);
  CHECK((*files)[2].used_bytes > 0);
  CHECK((*files)[2].used_bytes <= (*files)[2].bytes);
  CHECK((*files)[2].age < 60s);
  remove_segment(other);
  ::unlink(garbage.path().c_str());
}

TEST_CASE("census: a segment goes that nobody holds, and stays while a keeper or a worker does") {
  const LeftSegment left;
  for (const Role role : {Role::kKeeper, Role::kWorker}) {
    auto holder = Segment::open(left.id, View::kRings);
    REQUIRE(holder.has_value());
    REQUIRE(holder->claim(role).has_value());
    CHECK(error_of(remove_unheld(left.id, ::geteuid())) == EAGAIN);
    CHECK(is_there(left.id));
  }
  CHECK(error_of(remove_unheld(left.id, ::geteuid() + 1)) == EINVAL);
  CHECK(is_there(left.id));
  CHECK(remove_unheld(left.id, ::geteuid()).has_value());
  CHECK_FALSE(is_there(left.id));
  CHECK(error_of(remove_unheld(left.id, ::geteuid())) == ENOENT);
}

TEST_CASE("census: what is no segment is never removed, nor what a link leads to") {
  const LeftSegment left;
  SegmentId id = left.id;
  id.server = "link";
  REQUIRE(::symlink(left.id.path().c_str(), id.path().c_str()) == 0);
  CHECK_FALSE(remove_unheld(id, ::geteuid()).has_value());
  CHECK(is_there(id));
  CHECK(is_there(left.id));
  ::unlink(id.path().c_str());
  REQUIRE(::mkfifo(id.path().c_str(), 0600) == 0);
  CHECK_FALSE(remove_unheld(id, ::geteuid()).has_value());
  CHECK(segment_files(id.instance)->front().kind == FileKind::kNoSegment);
  ::unlink(id.path().c_str());
  std::ofstream{id.path()} << "not a segment";
  CHECK(error_of(remove_unheld(id, ::geteuid())) == EINVAL);
  CHECK(is_there(id));
  ::unlink(id.path().c_str());
}

TEST_CASE("census: a keeper that waits for a segment whose name goes away makes a new one") {
  const LeftSegment left;
  const UniqueFd remover{::open(left.id.path().c_str(), O_RDWR | O_CLOEXEC)};
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_len = 2;
  REQUIRE(::fcntl(remover.get(), F_OFD_SETLK, &lock) == 0);
  struct stat old {};
  REQUIRE(::fstat(remover.get(), &old) == 0);
  Result<Segment> made = Failure{};
  // It has opened the old one when there is a second descriptor of it.
  std::thread keeper{[&] { made = Segment::open_or_create(left.id, small_segment(), 10s); }};
  const auto opened = [&] {
    int count = 0;
    for (int fd = 3; fd < 256; ++fd) {
      struct stat facts {};
      if (::fstat(fd, &facts) == 0 && facts.st_ino == old.st_ino && facts.st_dev == old.st_dev)
        ++count;
    }
    return count;
  };
  const auto deadline = std::chrono::steady_clock::now() + 10s;
  while (opened() < 2 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  CHECK(opened() >= 2);
  ::unlink(left.id.path().c_str());
  lock.l_type = F_UNLCK;
  ::fcntl(remover.get(), F_OFD_SETLK, &lock);
  keeper.join();
  REQUIRE_MESSAGE(made.has_value(), (made ? "" : made.error().what));
  struct stat named {};
  REQUIRE(::stat(left.id.path().c_str(), &named) == 0);
  CHECK(named.st_ino == made->inode());
  CHECK(named.st_ino != old.st_ino);
}
