#include "bindings/ctc_search.h"

#include <pybind11/stl.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>

#include "bindings/arrays.h"
#include "bindings/module.h"
#include "bindings/unlocked.h"
#include "ctc_align.h"
#include "ctc_beam.h"

namespace rnnfast {

namespace {

// Work, in prefixes times classes, below which nothing looks for Ctrl-C, and no thread is begun:
// some milliseconds of one.
constexpr double kShortSearch = 1e6;
// How long to wait between two looks.
constexpr std::chrono::milliseconds kSearchPatience(50);

// Calls work(b, stop) for b from 0 to count - 1, on several threads, while this one looks for
// Ctrl-C; after one `stop` is true, and work is to return soon.
template <class Work>
void search_all(std::int64_t count, int threads, const Work& work) {
  std::atomic<bool> stop{false};
  std::atomic<std::int64_t> next{0};
  std::mutex mutex;
  std::condition_variable ended;
  std::exception_ptr failure;
  int running = 0;
  const auto run = [&] {
    try {
      for (std::int64_t b = next++; b < count && !stop; b = next++) work(b, stop);
    } catch (...) {
      const std::scoped_lock lock(mutex);
      failure = std::current_exception();
      stop = true;
    }
    const std::scoped_lock lock(mutex);
    --running;
    ended.notify_all();
  };
  std::vector<std::thread> workers;
  bool interrupted = false;
  {
    Released release;
    try {
      for (int i = 0; i < threads; ++i) {
        {
          const std::scoped_lock lock(mutex);
          ++running;
        }
        workers.emplace_back(run);
      }
    } catch (...) {  // no more threads to be had: those that there are, or this one, do all
      if (workers.empty()) {
        run();
      } else {
        const std::scoped_lock lock(mutex);
        --running;
      }
    }
    std::unique_lock<std::mutex> lock(mutex);
    while (!ended.wait_for(lock, kSearchPatience, [&] { return running == 0; })) {
      lock.unlock();
      if (!stop) {
        release.with_gil([&] {
          if (PyErr_CheckSignals() != 0) interrupted = stop = true;
        });
      }
      lock.lock();
    }
    lock.unlock();
    for (std::thread& worker : workers) worker.join();
  }
  if (interrupted) throw py::error_already_set();
  if (failure) std::rethrow_exception(failure);
}

// Scores of B sequences, (T, B, V), and how far each beam has read.
class CtcSearch {
 public:
  CtcSearch(const py::array& log_probs, const py::array& lengths, std::int64_t blank,
            std::int64_t beam_size, double least, double bonus,
            const std::vector<std::vector<std::int64_t>>& hot_words, double hot_bonus,
            std::int64_t space, bool has_model) {
    if (log_probs.ndim() != 3)
      throw py::value_error("log_probs: expected shape (T, B, V), got " +
                            text_of(shape_of(log_probs)));
    T_ = log_probs.shape(0);
    B_ = log_probs.shape(1);
    V_ = log_probs.shape(2);
    is_double_ = py::isinstance<py::array_t<double>>(log_probs);
    with_scalar_of("log_probs", log_probs, [&](auto scalar) {
      optional_data<decltype(scalar)>("log_probs", log_probs, shape_of(log_probs), scores_);
    });
    Held held;
    const auto* const steps = optional_data<std::int64_t>("lengths", lengths, {B_}, held);
    steps_.assign(steps, steps + B_);
    if (blank < 0 || blank >= V_)
      throw py::value_error("blank: expected a class from 0 to " + std::to_string(V_ - 1) +
                            ", got " + std::to_string(blank));
    if (beam_size < 1)
      throw py::value_error("beam_size: expected at least 1, got " + std::to_string(beam_size));
    if (!std::all_of(steps_.begin(), steps_.end(), [&](auto n) { return n >= 0 && n <= T_; }))
      throw py::value_error("lengths: expected numbers from 0 to " + std::to_string(T_));
    for (const auto& word : hot_words)
      if (word.empty() || static_cast<std::int64_t>(word.size()) > HotWords::kLongest ||
          !std::all_of(word.begin(), word.end(), [&](auto v) { return v >= 0 && v < V_; }))
        throw py::value_error("hot_words: expected 1 to " + std::to_string(HotWords::kLongest) +
                              " symbols each");
    // A beam has no more prefixes than there are.
    const double prefixes = std::min(static_cast<double>(beam_size),
                                     std::pow(static_cast<double>(V_), static_cast<double>(T_)));
    const double classes = static_cast<double>(V_);
    require_memory("beam_size: a beam of " + std::to_string(beam_size) + " prefixes",
                   prefixes * (classes + 200) + (has_model ? prefixes * classes * 8 : 0));
    work_ = prefixes * classes;
    if (!hot_words.empty()) hot_words_ = std::make_unique<HotWords>(hot_words, V_, space);
    CtcSearchOptions options = {V_, blank, beam_size, least};
    options.bonus = bonus;
    options.hot_bonus = hot_bonus;
    options.hot_words = hot_words_.get();
    options.has_model = has_model;
    has_model_ = has_model;
    beams_.reserve(B_);
    for (std::int64_t b = 0; b < B_; ++b) beams_.emplace_back(options);
    read_.assign(B_, 0);
  }

  // Reads on; returns what a language model is to be asked: of each prefix its sequence, row,
  // parent's row and last symbol, (n, 4). Nothing: all has been read.
  py::array_t<std::int64_t> advance() {
    double work = 0;
    for (std::int64_t b = 0; b < B_; ++b) work += work_ * static_cast<double>(steps_[b] - read_[b]);
    const int threads = static_cast<int>(std::clamp<std::int64_t>(B_, 1, thread_count()));
    const auto read = [&](std::int64_t b, const std::atomic<bool>& stop) {
      with_scalar(is_double_, [&](auto scalar) { this->read<decltype(scalar)>(b, stop); });
    };
    // Between two questions to a language model there are few steps.
    if (has_model_ ? work_ * static_cast<double>(B_) < kShortSearch : work < kShortSearch) {
      const std::atomic<bool> stop{false};
      const Released release;
      for (std::int64_t b = 0; b < B_; ++b) read(b, stop);
    } else {
      search_all(B_, threads, read);
    }
    std::int64_t count = 0;
    for (const CtcBeam& beam : beams_) count += static_cast<std::int64_t>(beam.requests().size());
    auto asked = new_array<std::int64_t>({count, 4});
    std::int64_t* to = asked.mutable_data();
    for (std::int64_t b = 0; b < B_; ++b)
      for (const CtcBeam::Request& request : beams_[b].requests()) {
        for (const std::int64_t number : {b, request.row, request.parent, request.symbol})
          *to++ = number;
      }
    return asked;
  }

  // Answers what was asked, in order: (n, V), as `CtcBeam::answer` takes them.
  void answer(const py::array& rows) {
    std::int64_t count = 0;
    for (const CtcBeam& beam : beams_) count += static_cast<std::int64_t>(beam.requests().size());
    Held held;
    const double* from = optional_data<double>("rows", rows, {count, V_}, held);
    if (std::any_of(from, from + count * V_, [](double x) {
          return std::isnan(x) || x == std::numeric_limits<double>::infinity();
        }))
      throw py::value_error("rows: expected numbers below infinity, got NaN or infinity");
    for (CtcBeam& beam : beams_) {
      const auto own = static_cast<std::int64_t>(beam.requests().size());
      beam.answer(from);
      from += own * V_;
    }
  }

  // For each sequence a list of (symbols, log P, score), the best first.
  py::list best(std::int64_t count) const {
    py::list results;
    for (const CtcBeam& beam : beams_) {
      py::list of_one;
      for (const auto& labelling : beam.best(count)) {
        const auto size = static_cast<std::int64_t>(labelling.symbols.size());
        auto symbols = new_array<std::int64_t>({size});
        std::copy(labelling.symbols.begin(), labelling.symbols.end(), symbols.mutable_data());
        of_one.append(py::make_tuple(symbols, labelling.log_prob, labelling.score));
      }
      results.append(of_one);
    }
    return results;
  }

 private:
  template <class Scalar>
  void read(std::int64_t b, const std::atomic<bool>& stop) {
    const auto* const data = scores_.data<Scalar>();
    for (std::int64_t& t = read_[b]; t < steps_[b]; ++t)
      if (stop || !beams_[b].advance(data + (t * B_ + b) * V_)) return;
    beams_[b].finish();
  }

  Held scores_;
  std::vector<std::int64_t> steps_, read_;
  std::int64_t T_, B_, V_;
  double work_ = 0;  // of a step
  bool is_double_ = false, has_model_ = false;
  std::unique_ptr<HotWords> hot_words_;
  std::vector<CtcBeam> beams_;
};

// Steps at which known symbols begin and end, and the largest log P of each: (U,) each.
template <class Scalar>
py::tuple align_symbols(const py::array& given, const std::vector<std::int64_t>& symbols,
                        std::int64_t blank) {
  if (given.ndim() != 2)
    throw py::value_error("log_probs: expected shape (T, V), got " + text_of(shape_of(given)));
  const std::int64_t T = given.shape(0), V = given.shape(1);
  Held held;
  const auto* const data = optional_data<Scalar>("log_probs", given, {T, V}, held);
  const auto U = static_cast<std::int64_t>(symbols.size());
  if (blank < 0 || blank >= V ||
      std::any_of(symbols.begin(), symbols.end(), [&](auto v) { return v < 0 || v >= V; }))
    throw py::value_error("symbols: expected classes from 0 to " + std::to_string(V - 1));
  require_memory("symbols: their path through " + std::to_string(T) + " steps",
                 ctc_align_bytes(T, U));
  std::vector<CtcSpan> spans;
  bool found = false;
  {
    const Released release;
    found = ctc_align(data, V, T, blank, symbols, spans);
  }
  if (!found) throw py::value_error("symbols: expected some that fit the steps, got none that do");
  auto begins = new_array<std::int64_t>({U}), ends = new_array<std::int64_t>({U});
  auto log_probs = new_array<double>({U});
  for (std::int64_t u = 0; u < U; ++u) {
    begins.mutable_data()[u] = spans[u].begin;
    ends.mutable_data()[u] = spans[u].end;
    log_probs.mutable_data()[u] = spans[u].log_prob;
  }
  return py::make_tuple(begins, ends, log_probs);
}

}  // namespace

void bind_ctc_search(py::module_& m) {
  py::class_<CtcSearch>(m, "CtcSearch")
      .def(py::init<const py::array&, const py::array&, std::int64_t, std::int64_t, double, double,
                    const std::vector<std::vector<std::int64_t>>&, double, std::int64_t, bool>(),
           py::arg("log_probs"), py::arg("lengths"), py::arg("blank"), py::arg("beam_size"),
           py::arg("least"), py::arg("bonus"), py::arg("hot_words"), py::arg("hot_bonus"),
           py::arg("space"), py::arg("has_model"))
      .def("advance", &CtcSearch::advance)
      .def("answer", &CtcSearch::answer, py::arg("rows"))
      .def("best", &CtcSearch::best, py::arg("count"));
  m.def(
      "ctc_align",
      [](const py::array& log_probs, const std::vector<std::int64_t>& symbols, std::int64_t blank) {
        return with_scalar_of("log_probs", log_probs, [&](auto scalar) {
          return align_symbols<decltype(scalar)>(log_probs, symbols, blank);
        });
      },
      py::arg("log_probs"), py::arg("symbols"), py::arg("blank"));
}

}  // namespace rnnfast
