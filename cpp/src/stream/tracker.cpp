#include "stream/tracker.hpp"

#include <cmath>

#include "kernels/scalar_math.hpp"

namespace ppgfast::stream {
namespace {

// Chosen on recordings apart from those that are reported; they hold for windows `usual_hop` apart.
constexpr double usual_hop = 2.0;              // s
constexpr double width = 6.0;                  // bpm that a rate usually moves in that time
constexpr double log_stays = -0.002002002671;  // log(1 - 0.002): the chance of no jump in that time
constexpr float tiny = 1e-6f;                  // what is wrong and certain can be overruled

// The polynomial of the kernels, not the platform's exp: the same bits everywhere.
double exponential(double x) noexcept { return static_cast<double>(kernels::exp_f32(static_cast<float>(x))); }

}  // namespace

void Tracker::init(std::size_t bins, double step, double hop, double* block) noexcept {
  bins_ = bins;
  const double hops = hop / usual_hop;
  decay_ = exponential(-step / (width * std::sqrt(hops)));
  leak_ = 1.0 - exponential(log_stays * hops);
  belief_ = block;
  moved_ = block + bins;
  inverse_sum_ = block + 2 * bins;
  double from_left = 0.0;
  for (std::size_t k = 0; k < bins; ++k) inverse_sum_[k] = from_left = from_left * decay_ + 1.0;
  double from_right = 0.0;
  for (std::size_t k = bins; k-- > 0;) {
    inverse_sum_[k] = 1.0 / (inverse_sum_[k] + from_right);
    from_right = (from_right + 1.0) * decay_;
  }
  reset();
}

void Tracker::reset() noexcept {
  for (std::size_t k = 0; k < bins_; ++k) belief_[k] = moved_[k] = 1.0 / static_cast<double>(bins_);
}

void Tracker::push(const float* probability, float* belief) noexcept {
  // The sum over all bins j of decay^|j - k|: what comes from the left, then from the right.
  double arriving = 0.0;
  for (std::size_t k = 0; k < bins_; ++k) {
    belief_[k] *= inverse_sum_[k];
    moved_[k] = arriving = arriving * decay_ + belief_[k];
  }
  arriving = 0.0;
  for (std::size_t k = bins_; k-- > 0;) {
    moved_[k] += arriving;
    arriving = (arriving + belief_[k]) * decay_;
  }

  const double anywhere = leak_ / static_cast<double>(bins_);
  double total = 0.0;
  for (std::size_t k = 0; k < bins_; ++k) {
    double here = (1.0 - leak_) * moved_[k] + anywhere;
    if (probability != nullptr) here *= std::sqrt(static_cast<double>(std::fmax(probability[k], tiny)));
    moved_[k] = here;
    total += here;
  }
  for (std::size_t k = 0; k < bins_; ++k) {
    belief_[k] = moved_[k] / total;
    belief[k] = static_cast<float>(belief_[k]);
  }
}

}  // namespace ppgfast::stream
