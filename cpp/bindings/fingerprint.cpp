#include "bindings/fingerprint.h"

namespace rnnfast {

void Fingerprint::add_bytes(const unsigned char* bytes, std::int64_t left) {
  // Those of the object would be read again each time.
  std::uint64_t words[kChains], chains[kChains];
  std::memcpy(chains, chains_, kStride);
  for (; left >= kStride; left -= kStride, bytes += kStride) {
    std::memcpy(words, bytes, kStride);
#pragma GCC unroll 8
    for (int i = 0; i < kChains; ++i) chains[i] = mixed(chains[i], words[i]);
  }
  if (left > 0) {
    std::memset(words, 0, kStride);
    std::memcpy(words, bytes, static_cast<std::size_t>(left));
    for (int i = 0; 8 * i < left; ++i) chains[i] = mixed(chains[i], words[i]);
  }
  std::memcpy(chains_, chains, kStride);
}

}  // namespace rnnfast
