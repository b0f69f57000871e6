// What a stream refuses before it begins, with the numbers that are wrong, and the names of its reasons.
#include <cmath>
#include <cstdint>
#include <vector>

#include "check.hpp"
#include "stream_cases.hpp"

namespace {

using namespace stream_cases;

// Status and both numbers of a config that cannot be.
void check_refused(const Model& model, const StreamConfig& config, Status status, double found,
                   double limit) {
  std::size_t bytes = 0;
  const Error error = Stream::arena_bytes(model, config, &bytes);
  CHECK(error.status == status);
  CHECK(error.found == found || (std::isnan(error.found) && std::isnan(found)));
  CHECK_EQ(error.limit, limit);
  CHECK(error.name[0] != '\0');
}

TEST(bad_configs_have_a_status_with_both_numbers) {
  const Model model = open("v1.0_gpt_f32"), moving = open("v1.0_gpt_acc_f32");
  const StreamConfig good = config_of(model, 64.0);
  const auto refused = [&](const Model& of, Status status, double found, double limit, auto change) {
    StreamConfig config = config_of(of, 64.0);
    change(config);
    check_refused(of, config, status, found, limit);
  };
  for (const double rate : {0.0, -64.0, 19.9, std::nan("")}) {
    refused(model, Status::bad_sampling_rate, rate, 20.0, [&](auto& c) { c.sampling_rate = rate; });
  }
  refused(model, Status::bad_sampling_rate, 1e6, 500.0, [](auto& c) { c.sampling_rate = 1e6; });
  refused(moving, Status::bad_acc_rate, 0.0, 10.0, [](auto& c) { c.acc_rate = 0.0; });
  refused(moving, Status::bad_acc_rate, 1e6, 500.0, [](auto& c) { c.acc_rate = 1e6; });
  refused(model, Status::bad_hop, -1.0, 1.0 / 40.0, [](auto& c) { c.hop = -1.0; });
  refused(model, Status::bad_hop, 1e9, 3600.0, [](auto& c) { c.hop = 1e9; });
  refused(open("v1.0_streamgpt_f32"), Status::hop_within_patch, 0.3, 7.0 / 40.0,
          [](auto& c) { c.hop = 0.3; });
  refused(open("v1.0_streamgpt_f32"), Status::cannot_go_back, 1.0, 0.0, [](auto& c) { c.both_ways = 1; });
  refused(model, Status::bad_limits, 5.0, 5.0, [](auto& c) { c.clip_low = c.clip_high = 5.0; });
  refused(model, Status::bad_limits, 2.0, 1.0, [](auto& c) { c.worn_low = 2.0, c.worn_high = 1.0; });
  refused(model, Status::bad_limits, 1.5, 1.0, [](auto& c) { c.min_quality = 1.5; });
  refused(model, Status::bad_limits, -1.0, 0.0, [](auto& c) { c.max_hr_std = -1.0; });
  refused(model, Status::bad_limits, -1.0, 3600.0, [](auto& c) { c.jitter = -1.0; });
  refused(model, Status::bad_first_sample, -1.0, 9007199254740992.0, [](auto& c) { c.first_sample = -1; });
  check_refused(open("v1.0_linear_f32"), good, Status::not_for_streams, 0.0, 1.0);

  std::size_t bytes = 0;
  CHECK(!Stream::arena_bytes(model, good, &bytes));
  std::vector<unsigned char> memory(bytes + 128);
  unsigned char* const arena = memory.data() + 64 - reinterpret_cast<std::uintptr_t>(memory.data()) % 64;
  Stream* stream = nullptr;
  const Error small = Stream::init(model, good, arena, bytes - 1, &stream);
  CHECK(small.status == Status::arena_too_small);
  CHECK_EQ(small.found, static_cast<double>(bytes - 1));
  CHECK_EQ(small.limit, static_cast<double>(bytes));
  CHECK(Stream::init(model, good, nullptr, bytes, &stream).status == Status::arena_too_small);
  CHECK(Stream::init(model, good, arena + 4, bytes, &stream).status == Status::misaligned);
  CHECK(stream == nullptr);
  CHECK(!Stream::init(model, good, arena, bytes, &stream));
}

TEST(reasons_have_names) {
  CHECK_EQ(reason_name(Reason::ok), "ok");
  CHECK_EQ(reason_name(Reason::low_confidence), "low_confidence");
  CHECK_EQ(reason_name(static_cast<Reason>(99)), "ok");
}

}  // namespace
