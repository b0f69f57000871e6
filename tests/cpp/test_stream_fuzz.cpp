// Any config, any packets, any numbers: a stream stays inside its memory and tells nothing that cannot be.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <vector>

#include "check.hpp"
#include "pages.hpp"
#include "stream_cases.hpp"

namespace {

using namespace stream_cases;

float any_number(Random& random) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  const float odd[] = {std::nanf(""), infinity, -infinity, -0.0f, 1e-40f, 1e30f, 9e8f, -9e8f, 4095.0f};
  return random.below(200) == 0 ? odd[random.below(9)] : static_cast<float>(4000.0 * random.uniform());
}

StreamConfig any_config(Random& random) {
  const double rates[] = {20.0, 25.0, 39.999, 40.0, 62.4725, 64.0, 80.0, 125.0, 333.3, 500.0};
  const double acc_rates[] = {10.0, 12.5, 32.0, 40.0, 61.7, 500.0};
  const double hops[] = {0.0, 0.025, 0.2, 1.7};
  StreamConfig config;
  config.sampling_rate = rates[random.below(10)];
  config.acc_rate = acc_rates[random.below(6)];
  config.hop = hops[random.below(4)];
  config.clip_high = random.below(2) == 0 ? 4095.0 : config.clip_high;
  config.timestamped = static_cast<std::int64_t>(random.below(2));
  config.track = static_cast<std::int64_t>(random.below(2));
  config.first_sample = random.below(2) == 0 ? 0 : std::int64_t{1} << 53;
  return config;
}

void check_result(const StreamResult& r) {
  CHECK(std::isfinite(r.t_start) && std::isfinite(r.t_end) && r.t_start <= r.t_end);
  CHECK(r.quality >= 0.0f && r.quality <= 1.0f);
  CHECK(r.reason >= Reason::ok && r.reason <= Reason::low_confidence);
  const bool empty = std::isnan(r.hr_bpm) && std::isnan(r.hr_std) && std::isnan(r.af_probability);
  CHECK_EQ(empty, !has_answer(r));
}

// Pushes packets of any size for about `seconds` s; returns the number of results.
std::size_t push_anything(Stream* stream, bool with_acc, Random& random, double seconds) {
  const StreamConfig& config = stream->config();
  const double packet = 0.6 * random.uniform();  // s
  std::size_t results = 0;
  double now = 100.0;
  for (double t = 0.0; t < seconds; t += packet) {
    std::vector<float> ppg(random.below(static_cast<std::size_t>(2.0 * packet * config.sampling_rate) + 2));
    std::vector<float> acc(
        with_acc ? 3 * random.below(static_cast<std::size_t>(2.0 * packet * config.acc_rate) + 2) : 0);
    std::vector<double> times(ppg.size());
    for (float& x : ppg) x = any_number(random);
    for (float& a : acc) a = any_number(random) * 1e-3f;
    for (double& time : times) {
      now += 1.0 / config.sampling_rate;
      time = random.below(300) == 0 ? now - 10.0 + 20.0 * random.uniform() : now + 0.01 * random.uniform();
    }
    Chunk chunk;
    chunk.ppg = ppg.data(), chunk.n = ppg.size(), chunk.acc = acc.data(), chunk.n_acc = acc.size() / 3;
    chunk.times = config.timestamped != 0 ? times.data() : nullptr;
    for (const StreamResult& r : push(stream, chunk)) check_result(r), ++results;
    if (packet <= 0.001) break;
  }
  return results;
}

TEST(any_config_and_any_packets_stay_inside) {
  const char* const names[] = {"v1.0_mlp_s8", "v1.0_tcn_acc_s8", "v1.0_gpt_acc_f32", "v1.0_gpt_f32"};
  const int rounds = emulated() ? 20 : 300;
  std::size_t results = 0;
  for (int round = 0; round < rounds; ++round) {
    Random random(static_cast<std::uint64_t>(round));
    const Model model = open(names[random.below(emulated() ? 2 : 4)]);
    const StreamConfig config = any_config(random);
    std::size_t bytes = 0;
    if (!CHECK(!Stream::arena_bytes(model, config, &bytes))) continue;
    const Pages pages(bytes);
    std::fill(pages.begin(), pages.end(), static_cast<unsigned char>(0xA5));
    unsigned char* const arena = pages.end() - bytes;
    Stream* stream = nullptr;
    CHECK(!Stream::init(model, config, arena, bytes, &stream));
    const std::vector<unsigned char> fresh(arena, arena + bytes);
    results += push_anything(stream, model.config().channels > 1, random, 12.0);
    stream->reset();
    CHECK_EQ(std::memcmp(arena, fresh.data(), bytes), 0);
  }
  CHECK(results > static_cast<std::size_t>(rounds));
}

}  // namespace
