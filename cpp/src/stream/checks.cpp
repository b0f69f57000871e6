#include "stream/checks.hpp"

#include "stream/band_pass.hpp"

namespace ppgfast::stream {
namespace {

constexpr double lowest_rate = 20.0, highest_rate = 500.0;  // Hz
constexpr double lowest_acc_rate = 10.0;
constexpr double longest_hop = 3600.0;        // s
constexpr double exact = 9007199254740992.0;  // 2^53

bool inside(double x, double low, double high) noexcept { return x >= low && x <= high; }

}  // namespace

Error check(const ModelConfig& model, double sampling_rate) noexcept {
  if (!inside(sampling_rate, lowest_rate, highest_rate)) {
    const double limit = sampling_rate > highest_rate ? highest_rate : lowest_rate;
    return refusal(Status::bad_sampling_rate, sampling_rate, limit, "sampling_rate");
  }
  if (!inside(model.sampling_rate, lowest_rate, highest_rate)) {
    return refusal(Status::not_for_streams, model.sampling_rate, lowest_rate, "input.sampling_rate");
  }
  if (model.filter_order == 0) return Error();
  const double half = 0.5 * model.sampling_rate;
  if (!(model.filter_high < half)) {
    return refusal(Status::not_for_streams, model.filter_high, half, "input.filter_high");
  }
  if (!(model.filter_low > 0.0 && model.filter_low < model.filter_high)) {
    return refusal(Status::not_for_streams, model.filter_low, model.filter_high, "input.filter_low");
  }
  return Error();
}

Error check(const ModelConfig& model, const StreamConfig& config) noexcept {
  if (const Error error = check(model, config.sampling_rate)) return error;
  if (model.task == Task::none) return refusal(Status::not_for_streams, 0.0, 1.0, "output.task");
  if (model.channels > 1 && !inside(config.acc_rate, lowest_acc_rate, highest_rate)) {
    const double limit = config.acc_rate > highest_rate ? highest_rate : lowest_acc_rate;
    return refusal(Status::bad_acc_rate, config.acc_rate, limit, "acc_rate");
  }
  const double shortest = 1.0 / model.sampling_rate;
  if (config.hop != 0.0 && !inside(config.hop, shortest, longest_hop)) {
    return refusal(Status::bad_hop, config.hop, config.hop > longest_hop ? longest_hop : shortest, "hop");
  }
  const double patch = model.patch / model.sampling_rate;
  const auto hop = static_cast<std::int64_t>(config.hop * model.sampling_rate + 0.5);
  if (model.kind == Kind::streamgpt && hop % model.patch != 0) {
    return refusal(Status::hop_within_patch, config.hop, patch, "hop");
  }
  if (!(config.clip_low < config.clip_high)) {
    return refusal(Status::bad_limits, config.clip_low, config.clip_high, "clip_low");
  }
  if (!(config.worn_low < config.worn_high)) {
    return refusal(Status::bad_limits, config.worn_low, config.worn_high, "worn_low");
  }
  if (config.min_quality != -1.0 && !inside(config.min_quality, 0.0, 1.0)) {
    return refusal(Status::bad_limits, config.min_quality, 1.0, "min_quality");
  }
  if (!(config.max_hr_std > 0.0)) {
    return refusal(Status::bad_limits, config.max_hr_std, 0.0, "max_hr_std");
  }
  if (!inside(config.jitter, 0.0, longest_hop)) {
    return refusal(Status::bad_limits, config.jitter, longest_hop, "jitter");
  }
  const bool can_go_back = model.filter_order > 0 && model.kind != Kind::streamgpt;
  if (config.both_ways != 0 && !can_go_back) return refusal(Status::cannot_go_back, 1.0, 0.0, "both_ways");
  const auto first = static_cast<double>(config.first_sample);
  if (!inside(first, 0.0, exact)) return refusal(Status::bad_first_sample, first, exact, "first_sample");
  return Error();
}

}  // namespace ppgfast::stream
