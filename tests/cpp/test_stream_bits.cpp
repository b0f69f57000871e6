// One number for all that streams say of a fixed signal: the same on every CPU, compiler and kernel table.
#include <cstdint>
#include <cstring>
#include <vector>

#include "check.hpp"
#include "isas.hpp"
#include "stream/trigonometry.hpp"
#include "stream_cases.hpp"

namespace {

using namespace stream_cases;

double sine(double turns) { return stream::sine_cosine_pi(2.0 * turns).sine; }

// Fifteen seconds without the platform's mathematics: a pulse, a lost sample, time stamps with jitter.
struct Signal {
  explicit Signal(double rate) {
    Random random(9);
    for (int i = 0; i < static_cast<int>(15.0 * rate); ++i) {
      const double t = i / rate;
      ppg.push_back(
          static_cast<float>(1e5 + 500.0 * sine(0.25 * t) + 300.0 * sine(1.3 * t) + 90.0 * sine(2.6 * t)));
      times.push_back(t * 1.003 + 0.01 * random.uniform());
    }
    ppg[ppg.size() / 3] = std::numeric_limits<float>::quiet_NaN();
    for (int i = 0; i < 15 * 32; ++i) {
      const double t = i / 32.0;
      for (const double g : {0.3 * sine(1.5 * t), 0.2 * sine(0.7 * t), 1.0})
        acc.push_back(static_cast<float>(g));
    }
  }
  std::vector<float> ppg, acc;
  std::vector<double> times;
};

std::uint64_t hash_of(const Model& model, double rate, bool timestamped) {
  StreamConfig config;
  config.sampling_rate = rate;
  config.acc_rate = 32.0;
  config.timestamped = timestamped ? 1 : 0;
  const Signal signal(rate);
  Chunk chunk;
  chunk.ppg = signal.ppg.data(), chunk.n = signal.ppg.size(), chunk.times = signal.times.data();
  if (model.config().channels > 1) chunk.acc = signal.acc.data(), chunk.n_acc = signal.acc.size() / 3;

  std::uint64_t hash = 14695981039346656037u;  // FNV-1a over the bytes of each result
  const auto add = [&](const auto& value) {
    unsigned char bytes[sizeof(value)];
    std::memcpy(bytes, &value, sizeof(value));
    for (const unsigned char byte : bytes) hash = (hash ^ byte) * 1099511628211u;
  };
  const Owned owned(model, config);
  for (const StreamResult& r : push(owned.stream, chunk)) {
    add(r.t_start), add(r.t_end), add(r.sample), add(r.quality), add(r.reason);
    for (const float answer : {r.hr_bpm, r.hr_std, r.af_probability}) {
      if (!std::isnan(answer)) add(answer);  // there are many NaN
    }
  }
  return hash;
}

struct Case {
  const char* model;
  double rate;
  bool timestamped;
  std::uint64_t hash;
};

TEST(a_fixed_signal_has_one_hash_with_every_table) {
  const Case cases[] = {
      {"v1.0_gpt_f32", 64.0, false, 0xcb369361a9978d3cu},
      {"v1.0_mlp_f32", 80.0, true, 0x0b6556164b56c8d9u},
      {"v1.0_gpt_s8", 125.0, true, 0x3d0b22dfdf200096u},
      {"v1.0_tcn_s8", 25.0, false, 0x38f762f1412b0263u},
      {"v1.0_gpt_acc_f32", 62.4725, false, 0x43235223a4ae058eu},
      {"v1.0_tcn_acc_s8", 100.0, true, 0xa5928f2b5ecf0613u},
  };
  for (const char* isa : isas()) {
    for (const Case& c : cases) {
      const std::uint64_t hash = hash_of(open(c.model, isa), c.rate, c.timestamped);
      if (!CHECK(hash == c.hash))
        std::printf("  %s, %s: 0x%016llxu\n", c.model, isa, static_cast<unsigned long long>(hash));
    }
  }
}

}  // namespace
