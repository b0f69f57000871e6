// What the tests of streams share: models, signals, and a stream with its memory.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "fixed_signal.hpp"
#include "pages.hpp"
#include "ppgfast/stream.hpp"

namespace stream_cases {

using namespace ppgfast;

inline std::string path_of(const std::string& name) {
  return std::string(PPGFAST_TEST_DATA) + "/models/" + name + ".ppgf";
}

// Whether every instruction is emulated, as cmake/emulated_tests.sh says.
inline bool emulated() { return std::getenv("PPGFAST_EMULATED") != nullptr; }

inline Model open(const std::string& name, const char* isa = nullptr) {
  Model model;
  if (Model::open_file(path_of(name).c_str(), isa, &model)) throw std::runtime_error("no model " + name);
  return model;
}

// A stream whose answers are never hidden by low confidence.
inline StreamConfig config_of(const Model& model, double rate) {
  StreamConfig config;
  config.sampling_rate = rate;
  config.acc_rate = model.config().channels > 1 ? 32.0 : 0.0;
  config.min_quality = 0.0;
  config.max_hr_std = 1e9;
  return config;
}

using fixed_signal::Random;

// Pulses on a large offset, with breathing and noise: like a raw sensor's counts.
inline std::vector<float> pulses(std::size_t n, double rate, double bpm = 75.0, std::uint64_t seed = 1) {
  Random random(seed);
  std::vector<float> x(n);
  for (std::size_t i = 0; i < n; ++i) {
    const double t = static_cast<double>(i) / rate, beat = 2.0 * 3.14159265358979 * bpm / 60.0 * t;
    x[i] = static_cast<float>(100000.0 + 500.0 * std::sin(1.7 * t) + 300.0 * std::sin(beat) +
                              120.0 * std::sin(2.0 * beat + 1.0) + 10.0 * random.uniform());
  }
  return x;
}

// (n, 3) accelerations in g.
inline std::vector<float> accelerations(std::size_t n, double rate) {
  std::vector<float> a(3 * n);
  for (std::size_t i = 0; i < n; ++i) {
    const double t = static_cast<double>(i) / rate;
    a[3 * i] = static_cast<float>(0.3 * std::sin(9.0 * t));
    a[3 * i + 1] = static_cast<float>(0.2 * std::sin(5.0 * t + 1.0));
    a[3 * i + 2] = static_cast<float>(1.0 + 0.1 * std::sin(2.0 * t));
  }
  return a;
}

struct Owned {
  Owned(const Model& model, const StreamConfig& config, int fill = 0) {
    if (const Error error = Stream::arena_bytes(model, config, &bytes)) {
      throw std::runtime_error(std::string("arena_bytes: ") + status_name(error.status) + " " + error.name);
    }
    memory.emplace(bytes);
    arena = memory->block;
    std::memset(arena, fill, bytes);
    if (Stream::init(model, config, arena, bytes, &stream)) throw std::runtime_error("init");
  }

  std::optional<Aligned> memory;
  void* arena = nullptr;
  std::size_t bytes = 0;
  Stream* stream = nullptr;
};

inline std::vector<StreamResult> push(Stream* stream, Chunk chunk) {
  std::vector<StreamResult> results;
  StreamResult result;
  while (stream->push(&chunk, &result)) results.push_back(result);
  return results;
}

inline std::vector<StreamResult> push(Stream* stream, const std::vector<float>& x) {
  Chunk chunk;
  chunk.ppg = x.data();
  chunk.n = x.size();
  return push(stream, chunk);
}

// The same bits in all that a result says; `apart`: but for where it lies in time.
inline bool same(const StreamResult& a, const StreamResult& b, bool apart = false) {
  const auto bits = [](float x) {
    std::uint32_t u;
    std::memcpy(&u, &x, sizeof(u));
    return u;
  };
  return a.reason == b.reason && bits(a.hr_bpm) == bits(b.hr_bpm) && bits(a.hr_std) == bits(b.hr_std) &&
         bits(a.af_probability) == bits(b.af_probability) && bits(a.quality) == bits(b.quality) &&
         (apart || (a.t_start == b.t_start && a.t_end == b.t_end && a.sample == b.sample));
}

inline bool same(const std::vector<StreamResult>& a, const std::vector<StreamResult>& b, bool apart = false) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!same(a[i], b[i], apart)) return false;
  }
  return true;
}

inline bool has_answer(const StreamResult& r) {
  return r.reason == Reason::ok || r.reason == Reason::low_confidence;
}

}  // namespace stream_cases
