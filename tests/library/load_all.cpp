// Loads every file of a folder as all kinds, and asks what loads.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "rnnfast/rnnfast.h"

int main(int, char** arguments) {
  int loaded = 0, refused = 0;
  const int count = std::atoi(arguments[2]);
  for (int number = 0; number < count; ++number) {
    const bool json = number % 12 == 11;
    const std::string path = std::string(arguments[1]) + "/" + std::to_string(number) +
                             (json ? ".json" : ".safetensors");
    std::ifstream in(path, std::ios::binary);
    const std::vector<char> bytes((std::istreambuf_iterator<char>(in)),
                                  std::istreambuf_iterator<char>());
    rnnfast_model* model = nullptr;
    const rnnfast_status status =
        json ? rnnfast_load_rtneural_memory(bytes.data(), bytes.size(), &model)
             : rnnfast_load_memory(bytes.data(), bytes.size(), &model);
    if (status != RNNFAST_OK) {
      const char* const line = rnnfast_last_error();
      if (*line == 0 || std::strchr(line, '\n') != nullptr || status == RNNFAST_OUT_OF_MEMORY) {
        std::printf("%d: status %d, line '%s'\n", number, static_cast<int>(status), line);
        return 1;
      }
      ++refused;
      continue;
    }
    ++loaded;
    const auto I = rnnfast_input_size(model), O = rnnfast_output_size(model);
    if (I < 5000 && O < 5000 && !rnnfast_is_double(model)) {
      std::vector<float> x(static_cast<std::size_t>(3 * 2 * I), 0.5F),
          y(static_cast<std::size_t>(3 * 2 * O));
      std::vector<std::int64_t> ids(6, I - 1), labels(64);
      std::int64_t n = 0;
      rnnfast_forward(model, 3, 2, x.data(), y.data());
      rnnfast_forward_ids(model, 3, 2, ids.data(), y.data());
      rnnfast_stream* stream = nullptr;
      if (rnnfast_stream_create(model, 2, &stream) == RNNFAST_OK) {
        rnnfast_run(stream, 3, x.data(), y.data());
        rnnfast_step_ids(stream, ids.data(), y.data());
        rnnfast_stream_free(stream);
      }
      std::vector<double> wide(static_cast<std::size_t>(3 * I), 0.5);
      double log_prob = 0;
      char text[256];
      std::size_t used = 0;
      rnnfast_sampling sampling = rnnfast_default_sampling();
      sampling.max_length = 20;
      rnnfast_predict(model, 3, wide.data(), labels.data(), 64, &n);
      rnnfast_predict_text(model, "ab the cat", labels.data(), 64, &n);
      rnnfast_probabilities(model, 3, wide.data(), nullptr, wide.data(), 3 * I, &n);
      rnnfast_score_text(model, "ab the cat", &log_prob, &n);
      rnnfast_sample(model, "", &sampling, text, sizeof text, &used);
    }
    rnnfast_free(model);
  }
  std::printf("%d loaded, %d refused\n", loaded, refused);
}
