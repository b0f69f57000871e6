// The tracker against its formula, summed directly, and its bits on every processor.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "check.hpp"
#include "stream/tracker.hpp"

namespace {

using ppgfast::stream::Tracker;

struct Tracked {
  Tracked(std::size_t bins, double step, double hop) : memory(Tracker::memory(bins)), belief(bins) {
    tracker.init(bins, step, hop, memory.data());
  }
  const std::vector<float>& push(const std::vector<float>* probability) {
    tracker.push(probability == nullptr ? nullptr : probability->data(), belief.data());
    return belief;
  }
  std::vector<double> memory;
  std::vector<float> belief;
  Tracker tracker;
};

// A distribution that moves about; no libm, so that every platform sees the same.
std::vector<float> distribution(std::size_t bins, std::size_t t) {
  std::vector<float> p(bins);
  float sum = 0.0f;
  for (std::size_t k = 0; k < bins; ++k) {
    const float offset = static_cast<float>(k) - static_cast<float>((7 * t) % bins);
    sum += p[k] = 1.0f / (1.0f + offset * offset);
  }
  for (float& value : p) value /= sum;
  return p;
}

TEST(the_belief_is_the_filter_of_its_formula) {
  const std::size_t bins = 40;
  const double step = 3.0, hop = 1.0;
  Tracked tracked(bins, step, hop);
  std::vector<double> expected(bins, 1.0 / bins), moved(bins);
  const double decay = std::exp(-step / (6.0 * std::sqrt(hop / 2.0)));
  const double leak = 1.0 - std::pow(1.0 - 0.002, hop / 2.0);
  for (std::size_t t = 0; t < 30; ++t) {
    std::fill(moved.begin(), moved.end(), 0.0);
    for (std::size_t j = 0; j < bins; ++j) {
      double sum = 0.0;
      for (std::size_t k = 0; k < bins; ++k) sum += std::pow(decay, std::fabs(double(k) - double(j)));
      for (std::size_t k = 0; k < bins; ++k) {
        const double laplace = std::pow(decay, std::fabs(double(k) - double(j))) / sum;
        moved[k] += expected[j] * ((1.0 - leak) * laplace + leak / bins);
      }
    }
    const std::vector<float> p = distribution(bins, t);
    double total = 0.0;
    for (std::size_t k = 0; k < bins; ++k)
      total += moved[k] *= t % 5 == 4 ? 1.0 : std::sqrt(std::fmax(p[k], 1e-6));
    for (std::size_t k = 0; k < bins; ++k) expected[k] = moved[k] / total;
    const std::vector<float>& got = tracked.push(t % 5 == 4 ? nullptr : &p);
    for (std::size_t k = 0; k < bins; ++k) CHECK(std::fabs(got[k] - expected[k]) < 1e-6);
  }
}

TEST(reset_is_a_new_one) {
  Tracked used(96, 2.0, 2.0), fresh(96, 2.0, 2.0);
  for (std::size_t t = 0; t < 9; ++t) {
    const std::vector<float> p = distribution(96, t);
    used.push(&p);
  }
  used.tracker.reset();
  CHECK(used.memory == fresh.memory);
  const std::vector<float> p = distribution(96, 3);
  CHECK(used.push(&p) == fresh.push(&p));
}

TEST(no_evidence_and_wrong_certainty_stay_finite) {
  Tracked tracked(96, 2.0, 0.01);
  std::vector<float> certain(96, 0.0f);
  for (int t = 0; t < 200; ++t) {
    std::fill(certain.begin(), certain.end(), 0.0f);
    certain[t % 2 == 0 ? 0 : 95] = 1.0f;
    float sum = 0.0f;
    for (float value : tracked.push(t % 3 == 0 ? nullptr : &certain)) {
      CHECK(std::isfinite(value) && value >= 0.0f);
      sum += value;
    }
    CHECK(std::fabs(sum - 1.0f) < 1e-5f);
  }
}

TEST(the_bits_are_the_same_on_every_processor) {
  Tracked tracked(96, 2.0, 2.0);
  std::uint32_t hash = 2166136261u;
  for (std::size_t t = 0; t < 50; ++t) {
    const std::vector<float> p = distribution(96, t);
    for (float value : tracked.push(&p)) {
      std::uint32_t bits;
      std::memcpy(&bits, &value, sizeof(bits));
      hash = (hash ^ bits) * 16777619u;
    }
  }
  CHECK_EQ(hash, 4184126631u);
}

}  // namespace
