// Nanoseconds a sample of a GRU or LSTM with its dense head, one sample in and one out: rnnfast's
// `run` in blocks and `step`; RTNeural's compile-time API where it is compiled with
// -DWITH_RTNEURAL; ONNX Runtime's C API, in blocks and by steps, with -DWITH_ONNXRUNTIME. Called as
// `steps FOLDER SECONDS`, FOLDER with gru_8.json, gru_8.onnx and so on.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "rnnfast/rnnfast.hpp"

#ifdef WITH_RTNEURAL
  #include <RTNeural/RTNeural.h>
#endif
#ifdef WITH_ONNXRUNTIME
  #include <onnxruntime_c_api.h>
#endif

namespace {

constexpr int kBlock = 512;
using Clock = std::chrono::steady_clock;

struct Contestant {
  std::string name;
  virtual ~Contestant() = default;
  virtual void run(const float* x, float* y) = 0;  // kBlock samples
  double best = std::numeric_limits<double>::infinity();
};

struct Ours : Contestant {
  Ours(const std::string& file, bool single)
      : stream(rnnfast::Model::load_rtneural(file)), by_step(single) {
    name = single ? "rnnfast step" : "rnnfast run";
  }
  void run(const float* x, float* y) override {
    if (!by_step) {
      rnnfast::check(stream.run(kBlock, x, y));
      return;
    }
    for (int t = 0; t < kBlock; ++t) rnnfast::check(stream.step(x + t, y + t));
  }
  rnnfast::Stream stream;
  bool by_step;
};

#ifdef WITH_RTNEURAL
template <int H>
using Gru =
    RTNeural::ModelT<float, 1, 1, RTNeural::GRULayerT<float, 1, H>, RTNeural::DenseT<float, H, 1>>;
template <int H>
using Lstm =
    RTNeural::ModelT<float, 1, 1, RTNeural::LSTMLayerT<float, 1, H>, RTNeural::DenseT<float, H, 1>>;

template <class Network>
struct Theirs : Contestant {
  explicit Theirs(const std::string& file) {
    name = "RTNeural";
    std::ifstream in(file);
    network.parseJson(in);
    network.reset();
  }
  void run(const float* x, float* y) override {
    for (int t = 0; t < kBlock; ++t) y[t] = network.forward(x + t);
  }
  Network network;
};

template <int H>
Contestant* theirs(const std::string& kind, const std::string& file) {
  if (kind == "gru") return new Theirs<Gru<H>>(file);
  return new Theirs<Lstm<H>>(file);
}
#endif

#ifdef WITH_ONNXRUNTIME
// Its tensors stand in memory that is made once; the state that a call gives is the next one's.
struct OnnxRuntime : Contestant {
  OnnxRuntime(const std::string& file, bool lstm, int hidden, bool single)
      : steps(single ? 1 : kBlock), states(lstm ? 2 : 1) {
    name = single ? "ONNX Runtime step" : "ONNX Runtime run";
    OrtSessionOptions* options = nullptr;
    check(api->CreateEnv(ORT_LOGGING_LEVEL_ERROR, "bench", &env));
    check(api->CreateSessionOptions(&options));
    check(api->SetIntraOpNumThreads(options, 1));
    check(api->CreateSession(env, file.c_str(), options, &session));
    api->ReleaseSessionOptions(options);
    check(api->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory));
    numbers.assign(static_cast<std::size_t>(2 * (kBlock + states * hidden)), 0.0F);
    float* at = numbers.data();
    for (auto* side : {&x, &y}) {
      *side = at;
      at += kBlock;
      side == &x ? tensor(in, x, {steps, 1, 1}) : tensor(out[0], y, {steps, 1});
    }
    for (auto& half : halves)
      for (int i = 0; i < states; ++i, at += hidden) tensor(half[i], at, {1, 1, hidden});
  }
  ~OnnxRuntime() override {
    for (OrtValue* value : {in, out[0], halves[0][0], halves[0][1], halves[1][0], halves[1][1]})
      if (value != nullptr) api->ReleaseValue(value);
    api->ReleaseMemoryInfo(memory);
    api->ReleaseSession(session);
    api->ReleaseEnv(env);
  }
  void run(const float* from, float* to) override {
    static const char* const inputs[] = {"x", "h0", "c0"};
    static const char* const outputs[] = {"y", "h_n", "c_n"};
    for (int t = 0; t < kBlock; t += steps, before = 1 - before) {
      std::copy_n(from + t, steps, x);
      const OrtValue* given[] = {in, halves[before][0], halves[before][1]};
      OrtValue* found[] = {out[0], halves[1 - before][0], halves[1 - before][1]};
      const auto count = static_cast<std::size_t>(1 + states);
      check(api->Run(session, nullptr, inputs, given, count, outputs, count, found));
      std::copy_n(y, steps, to + t);
    }
  }

 private:
  void check(OrtStatus* status) const {
    if (status == nullptr) return;
    std::fprintf(stderr, "ONNX Runtime: %s\n", api->GetErrorMessage(status));
    std::exit(1);
  }
  void tensor(OrtValue*& to, float* at, const std::vector<std::int64_t>& shape) const {
    std::int64_t size = 1;
    for (const std::int64_t axis : shape) size *= axis;
    check(api->CreateTensorWithDataAsOrtValue(
        memory, at, static_cast<std::size_t>(size) * sizeof(float), shape.data(), shape.size(),
        ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, &to));
  }

  const OrtApi* api = OrtGetApiBase()->GetApi(ORT_API_VERSION);
  int steps, states, before = 0;
  OrtEnv* env = nullptr;
  OrtSession* session = nullptr;
  OrtMemoryInfo* memory = nullptr;
  std::vector<float> numbers;
  float *x = nullptr, *y = nullptr;
  OrtValue *in = nullptr, *out[1] = {}, *halves[2][2] = {};
};
#endif

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) return 2;
  const double seconds = std::atof(arguments[2]);
  std::vector<float> x(kBlock);
  for (int t = 0; t < kBlock; ++t)
    x[static_cast<std::size_t>(t)] = std::sin(0.1F * static_cast<float>(t));
  for (const std::string kind : {"lstm", "gru"})
    for (const int H : {8, 16, 32, 64}) {
      const std::string file =
          std::string(arguments[1]) + "/" + kind + "_" + std::to_string(H) + ".json";
      std::vector<std::unique_ptr<Contestant>> all;
      all.push_back(std::make_unique<Ours>(file, false));
      all.push_back(std::make_unique<Ours>(file, true));
#ifdef WITH_RTNEURAL
      all.emplace_back(H == 8    ? theirs<8>(kind, file)
                       : H == 16 ? theirs<16>(kind, file)
                       : H == 32 ? theirs<32>(kind, file)
                                 : theirs<64>(kind, file));
#endif
#ifdef WITH_ONNXRUNTIME
      for (const bool single : {false, true})
        all.push_back(std::make_unique<OnnxRuntime>(file.substr(0, file.size() - 4) + "onnx",
                                                    kind == "lstm", H, single));
#endif
      // The answer before the time: from the same start the same sound.
      std::vector<float> expected(kBlock), y(kBlock);
      all[0]->run(x.data(), expected.data());
      for (std::size_t i = 1; i < all.size(); ++i) {
        all[i]->run(x.data(), y.data());
        for (int t = 0; t < kBlock; ++t)
          if (std::abs(y[static_cast<std::size_t>(t)] - expected[static_cast<std::size_t>(t)]) >
              1e-4F) {
            std::fprintf(stderr, "%s %s %d: another answer at %d\n", all[i]->name.c_str(),
                         kind.c_str(), H, t);
            return 1;
          }
      }
      // In turns, the best of each: others may use the machine meanwhile.
      const auto end = Clock::now() + std::chrono::duration<double>(seconds);
      while (Clock::now() < end)
        for (auto& one : all) {
          const auto begin = Clock::now();
          one->run(x.data(), y.data());
          const std::chrono::duration<double, std::nano> took = Clock::now() - begin;
          one->best = std::min(one->best, took.count() / kBlock);
        }
      std::printf("%s %d", kind.c_str(), H);
      for (const auto& one : all) std::printf("  %s %.1f", one->name.c_str(), one->best);
      std::printf("\n");
      std::fflush(stdout);
    }
}
