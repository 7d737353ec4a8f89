// Streams a sound through a network of one number in and one out, block by block, as a plug-in
// would:
//
//     wav_gru model.safetensors in.wav out.wav
//
// The sound is a WAV file of one channel, 16 bits a sample. A model that ends in .json is one of
// RTNeural.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "rnnfast/rnnfast.hpp"

namespace {

constexpr std::size_t kBlock = 64;  // samples that come at once

std::uint32_t number_at(const std::vector<char>& bytes, std::size_t at, int size) {
  std::uint32_t value = 0;
  for (int i = size - 1; i >= 0; --i)
    value = value << 8 | static_cast<unsigned char>(bytes.at(at + static_cast<std::size_t>(i)));
  return value;
}

// Where the samples begin and how many bytes they are.
struct Samples {
  std::size_t begin, bytes;
};

Samples find_samples(const std::vector<char>& file) {
  if (file.size() < 12 || std::memcmp(file.data(), "RIFF", 4) != 0 ||
      std::memcmp(file.data() + 8, "WAVE", 4) != 0)
    throw std::runtime_error("expected a WAV file");
  for (std::size_t at = 12; at + 8 <= file.size();) {
    const std::size_t size = number_at(file, at + 4, 4);
    if (std::memcmp(file.data() + at, "fmt ", 4) == 0 &&
        (number_at(file, at + 8, 2) != 1 || number_at(file, at + 10, 2) != 1 ||
         number_at(file, at + 22, 2) != 16))
      throw std::runtime_error("expected one channel of 16 bits");
    if (std::memcmp(file.data() + at, "data", 4) == 0)
      return {at + 8, std::min(size, file.size() - at - 8)};
    at += 8 + size + size % 2;
  }
  throw std::runtime_error("expected samples in the WAV file");
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) {
    std::fprintf(stderr, "usage: wav_gru MODEL IN.wav OUT.wav\n");
    return 2;
  }
  try {
    const std::string path = arguments[1];
    const bool is_json = path.size() > 5 && path.compare(path.size() - 5, 5, ".json") == 0;
    const auto model = is_json ? rnnfast::Model::load_rtneural(path) : rnnfast::Model::load(path);
    if (model.input_size() != 1 || model.output_size() != 1)
      throw std::runtime_error("expected a model of one number in and one out");
    rnnfast::Stream stream = model.stream();

    std::ifstream in(arguments[2], std::ios::binary);
    std::vector<char> file((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    const Samples samples = find_samples(file);
    float x[kBlock], y[kBlock];
    for (std::size_t done = 0; done + 2 <= samples.bytes;) {
      const std::size_t n = std::min(kBlock, (samples.bytes - done) / 2);
      for (std::size_t i = 0; i < n; ++i) {
        const auto raw = number_at(file, samples.begin + done + 2 * i, 2);
        x[i] = static_cast<float>(static_cast<std::int16_t>(raw)) / 32768.0F;
      }
      // What an audio thread does: no memory is asked for, nothing waits.
      if (const rnnfast_status status = stream.run(static_cast<std::int64_t>(n), x, y))
        throw std::runtime_error(rnnfast_status_text(status));
      for (std::size_t i = 0; i < n; ++i) {
        const float scaled = std::round(std::min(std::max(y[i], -1.0F), 1.0F) * 32767.0F);
        const auto sample = static_cast<std::uint16_t>(static_cast<std::int16_t>(scaled));
        file[samples.begin + done + 2 * i] = static_cast<char>(sample & 0xFF);
        file[samples.begin + done + 2 * i + 1] = static_cast<char>(sample >> 8);
      }
      done += 2 * n;
    }
    std::ofstream out(arguments[3], std::ios::binary);
    out.write(file.data(), static_cast<std::streamsize>(file.size()));
    if (!out.flush()) throw std::runtime_error("cannot write the sound");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "wav_gru: %s\n", error.what());
    return 1;
  }
  return 0;
}
