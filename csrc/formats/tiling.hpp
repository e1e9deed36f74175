// The tile of the look-up formats tl1 and tl2: BM rows by BK columns, cut into strips of bm rows.
#pragma once

#include <cstdint>

namespace bp {

struct tiling {
  std::int32_t BM = 0, BK = 0, bm = 0;  // all zero: the format has no tiles, or one is to be found

  friend bool operator==(const tiling&, const tiling&) = default;
};

}  // namespace bp
