// How long a model and a stream take on this machine.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <vector>

#include "ppgfast/ppgfast.h"

namespace {

constexpr double rate = 64.0;  // Hz
constexpr std::align_val_t line{64};

double microseconds() {
  using namespace std::chrono;
  return duration<double, std::micro>(steady_clock::now().time_since_epoch()).count();
}

// A pulse on an offset, 75 bpm with breathing.
float sample(std::size_t i) {
  const double t = static_cast<double>(i) / rate;
  return static_cast<float>(1e5 + 500.0 * std::sin(1.7 * t) + 300.0 * std::sin(7.854 * t) +
                            90.0 * std::sin(15.708 * t));
}

void print(const char* name, std::vector<double> times) {
  std::sort(times.begin(), times.end());
  const auto at = [&](double share) { return times[static_cast<std::size_t>(share * (times.size() - 1.0))]; };
  std::printf("%-16s %9.1f %9.1f %9.1f %9.1f\n", name, at(0.0), at(0.5), at(0.99), at(1.0));
}

[[noreturn]] void stop(const ppgfast_error& error) {
  char text[400];
  ppgfast_error_text(&error, text, sizeof(text));
  std::fprintf(stderr, "ppgfast-bench: %s\n", text);
  std::exit(1);
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2 || count > 3) {
    std::fputs(
        "usage: ppgfast-bench MODEL [RESULTS]\n\nTimes RESULTS (default 1000) results of one stream, and "
        "as many predictions.\n",
        stderr);
    return 1;
  }
  const int wanted = count == 3 ? std::max(10, std::atoi(arguments[2])) : 1000;
  ppgfast_error error;
  ppgfast_model* model = nullptr;
  if (ppgfast_model_open(arguments[1], nullptr, &model, &error) != PPGFAST_ok) stop(error);
  ppgfast_about about;
  ppgfast_model_about(model, &about);

  ppgfast_stream_config config;
  ppgfast_stream_defaults(&config);
  config.sampling_rate = rate;
  config.acc_rate = about.channels > 1 ? rate : 0.0;
  std::size_t bytes = 0;
  ppgfast_stream* stream = nullptr;
  if (ppgfast_stream_arena_bytes(model, &config, &bytes, &error) != PPGFAST_ok) stop(error);
  void* const arena = ::operator new(bytes, line);
  if (ppgfast_stream_init(model, &config, arena, bytes, &stream, &error) != PPGFAST_ok) stop(error);

  const std::size_t window = std::size_t{about.channels} * about.window;
  void* const scratch = ::operator new(about.scratch_bytes, line);
  std::vector<float> x(window), y(about.n_predictions);
  for (std::size_t i = 0; i < window; ++i) x[i] = sample(i);
  std::vector<double> predictions, results;
  // One push brings the samples of one hop and returns its result.
  const std::size_t hop = about.hop > 0 ? about.hop : about.window;
  const auto packet = static_cast<std::size_t>(static_cast<double>(hop) * rate / about.sampling_rate);
  std::vector<float> ppg(packet), acc(3 * packet, 0.5f);
  for (std::size_t first = 0; results.size() < static_cast<std::size_t>(wanted); first += packet) {
    for (std::size_t i = 0; i < packet; ++i) ppg[i] = sample(first + i);
    ppgfast_chunk chunk = {ppg.data(), packet, acc.data(), about.channels > 1 ? packet : 0, nullptr};
    ppgfast_result result;
    bool answered = false;
    const double start = microseconds();
    while (ppgfast_stream_push(stream, &chunk, &result) != 0) {
      answered = result.reason == PPGFAST_REASON_ok || result.reason == PPGFAST_REASON_low_confidence;
    }
    const double between = microseconds();
    ppgfast_model_predict(model, x.data(), 1, y.data(), scratch);
    const double end = microseconds();
    if (!answered) continue;
    results.push_back(between - start);
    predictions.push_back(end - between);
  }
  std::printf("ppgfast %s, %s\n", ppgfast_version(), about.isa);
  std::printf("%zu parameters, %zu bytes of weights, %zu bytes of a stream at %g Hz\n", about.parameters,
              about.weight_bytes, bytes, rate);
  std::printf("%-16s %9s %9s %9s %9s\n", "us", "min", "median", "p99", "max");
  print("one prediction", predictions);
  print("one hop streamed", results);  // with its prediction
  ppgfast_model_close(model);
  ::operator delete(arena, line);
  ::operator delete(scratch, line);
  return 0;
}
