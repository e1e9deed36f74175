// Memory that tells when it is used wrongly: pages that fault on both sides, bytes that must stay
// as they are where a page is not full, and a report of every fault before the process ends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace bp {

inline constexpr std::size_t guard_bytes = std::size_t{1} << 20;  // that fault, on either side
inline constexpr std::uint8_t canary_byte = 0xc5;

class guarded {
 public:
  // `bytes` bytes, cleared, multiple of `align` in address. at_end: as close before a page that
  // faults as `align` lets them be; else right after one. `name` (at most 23 characters) is what a
  // report calls them. Throws std::bad_alloc.
  guarded(const std::string& name, std::size_t bytes, bool at_end, std::size_t align);
  ~guarded();
  guarded(const guarded&) = delete;
  guarded& operator=(const guarded&) = delete;

  std::uint8_t* data() const { return data_; }
  std::size_t size() const { return size_; }
  void seal();  // a write faults from now on
  void open();  // and no more

  // Offset from data() of a byte beside the data that was overwritten; -1 - size where none was.
  std::int64_t damage() const;

 private:
  std::uint8_t *map_, *data_;
  std::size_t size_, pages_;  // pages_: bytes between the guards
  int place_;
};

// From now on a fault, another fatal signal or an alarm ends this process with `fault_status`,
// after a line feed and one line to the file descriptor `to`, fields separated by tabs:
//   @  fault   reads|writes|touches  name  before|after|inside  bytes
//   @  fault   reads|writes|touches  ?     at                   address
//   @  signal  number
// before: bytes from the place touched to the data; after: from the end of the data to that place
// (0: the first byte behind it); inside: the offset in sealed data.
inline constexpr int fault_status = 99;
void report_faults(int to);

}  // namespace bp
