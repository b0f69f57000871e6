// One number for all that streams say of a fixed signal: the same on every CPU, compiler and kernel table.
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "check.hpp"
#include "fixed_signal.hpp"
#include "float_twin.hpp"
#include "isas.hpp"
#include "model_files.hpp"
#include "stream_cases.hpp"

namespace {

using namespace stream_cases;

std::uint64_t hash_of(const Model& model, double rate, double seconds, bool timestamped) {
  StreamConfig config;
  config.sampling_rate = rate;
  config.acc_rate = 32.0;
  config.timestamped = timestamped ? 1 : 0;
  fixed_signal::Ppg signal(rate, seconds);
  std::vector<float> ppg, acc;
  std::vector<double> times(signal.size());
  for (double& time : times) ppg.push_back(signal.next(&time));
  for (int i = 0; i < seconds * 32.0; ++i) {
    const double t = i / 32.0;
    for (const double g : {0.3 * fixed_signal::sine(1.5 * t), 0.2 * fixed_signal::sine(0.7 * t), 1.0}) {
      acc.push_back(static_cast<float>(g));
    }
  }
  Chunk chunk;
  chunk.ppg = ppg.data(), chunk.n = ppg.size(), chunk.times = times.data();
  if (model.config().channels > 1) chunk.acc = acc.data(), chunk.n_acc = acc.size() / 3;

  fixed_signal::Hash hash;
  const Owned owned(model, config);
  for (const StreamResult& result : push(owned.stream, chunk)) hash.add(result);
  return hash.value();
}

void compare(const std::string& name, const char* isa, std::uint64_t hash, std::uint64_t expected) {
  if (!CHECK(hash == expected)) {
    std::printf("  %s, %s: 0x%016llx\n", name.c_str(), isa, static_cast<unsigned long long>(hash));
  }
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
      {"v1.0_streamgpt_f32", 64.0, false, 0xd39aa9145f47750du},
      {"v1.0_streamgpt_s8", 125.0, true, 0x092dc25995ec99d1u},
  };
  for (const char* isa : isas()) {
    for (const Case& c : cases)
      compare(c.model, isa, hash_of(open(c.model, isa), c.rate, 15.0, c.timestamped), c.hash);
  }
}

Model open_bytes(const model_files::Bytes& bytes, const char* isa) {
  Model model;
  const model_files::Guarded aligned(bytes);
  if (Model::open_memory(aligned.data(), bytes.size(), isa, &model)) throw std::runtime_error("no model");
  return model;
}

// Lines of `model rate hash arena`, for the int8 models that come with the package; <name>-f32 is the float32
// twin of <name>-s8. The firmware in cpp/apps/mcu is held to the same hashes. A stream may take 3 % more
// bytes than its line says, on 64-bit CPUs; 32-bit CPUs need less.
TEST(the_models_of_the_package_have_one_hash_too) {
  std::FILE* const lines = std::fopen(PPGFAST_TEST_DATA "/streams.txt", "r");
  if (lines == nullptr) throw std::runtime_error("no streams.txt");
  char text[48];
  double rate;
  unsigned long long expected;
  std::size_t arena = 0;
  int cases = 0;
  while (std::fscanf(lines, "%47s %lf %llx %zu", text, &rate, &expected, &arena) == 4) {
    ++cases;
    const std::string name = text, stem = name.substr(0, name.rfind('-'));
    const bool is_twin = name == stem + "-f32";
    model_files::Bytes bytes = model_files::read(PPGFAST_TEST_DATA "/../../python/ppgfast/models/" +
                                                 (is_twin ? stem + "-s8" : name) + ".ppgf");
    if (is_twin) bytes = float_twin::of(bytes);
    for (const char* isa : isas()) {
      const Model model = open_bytes(bytes, isa);
      compare(name, isa, hash_of(model, rate, 30.0, false), expected);
      std::size_t needed = 0;
      CHECK(!Stream::arena_bytes(model, config_of(model, rate), &needed));
      if (!CHECK(100 * needed <= 103 * arena))
        std::printf("  %s: arena of %zu bytes\n", name.c_str(), needed);
    }
  }
  std::fclose(lines);
  CHECK(cases >= 4);
}

}  // namespace
