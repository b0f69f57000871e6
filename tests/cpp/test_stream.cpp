// Streams: the same results however the samples are cut, none after bad samples, nothing allocated.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <thread>
#include <vector>

#include "allocations.hpp"
#include "check.hpp"
#include "pages.hpp"
#include "stream_cases.hpp"

namespace {

using namespace stream_cases;

// An emulated CPU without fused multiply-add takes 100 times as long: it gets the smallest models.
std::vector<const char*> models() {
  if (emulated()) return {"v1.0_mlp_s8", "v1.0_tcn_acc_s8"};
  return {"v1.0_gpt_f32",     "v1.0_gpt_s8", "v1.0_tcn_f32",    "v1.0_gpt_acc_f32",   "v1.0_tcn_acc_s8",
          "v1.0_papagei_f32", "v1.0_mlp_s8", "v1.0_gpt_acc_s8", "v1.0_streamgpt_f32", "v1.0_streamgpt_s8"};
}
std::vector<double> rates(std::initializer_list<double> all) {
  return emulated() ? std::vector<double>{64.0} : std::vector<double>(all);
}

// A minute of everything that this model takes.
struct Recording {
  Recording(const Model& model, double rate, double seconds = 60.0)
      : ppg(pulses(static_cast<std::size_t>(seconds * rate), rate)) {
    if (model.config().channels > 1) acc = accelerations(static_cast<std::size_t>(seconds * 32.0), 32.0);
  }
  Chunk chunk() const {
    Chunk c;
    c.ppg = ppg.data(), c.n = ppg.size(), c.acc = acc.data(), c.n_acc = acc.size() / 3;
    return c;
  }
  std::vector<float> ppg, acc;
};

std::vector<StreamResult> at_once(const Model& model, const StreamConfig& config,
                                  const Recording& recording) {
  const Owned owned(model, config);
  return push(owned.stream, recording.chunk());
}

TEST(any_cut_gives_the_same_results) {
  Random random(7);
  for (const char* name : models()) {
    const Model model = open(name);
    if (model.config().channels > 1) continue;
    for (const double rate : rates({25.0, 40.0, 64.0})) {
      const StreamConfig config = config_of(model, rate);
      const Recording recording(model, rate, 20.0);
      const std::vector<StreamResult> expected = at_once(model, config, recording);
      CHECK(expected.size() > 50);
      CHECK(has_answer(expected.back()));
      for (const std::size_t longest : {1u, 7u, 300u}) {
        const Owned owned(model, config);
        std::vector<StreamResult> got;
        for (Chunk rest = recording.chunk(), part; rest.n > 0; rest.ppg += part.n, rest.n -= part.n) {
          part = rest;
          part.n = std::min(rest.n, random.below(longest + 1));
          const std::vector<StreamResult> some = push(owned.stream, part);
          got.insert(got.end(), some.begin(), some.end());
        }
        CHECK(same(got, expected));
      }
    }
  }
}

TEST(accelerometer_packets_may_be_cut_apart_from_the_ppg) {
  for (const char* name : models()) {
    const Model model = open(name);
    if (model.config().channels == 1) continue;
    StreamConfig config = config_of(model, 64.0);
    config.hop = emulated() ? 1.0 : 0.0;
    const Recording recording(model, 64.0, 20.0);
    const std::vector<StreamResult> expected = at_once(model, config, recording);
    for (const std::size_t packet : {1u, 5u, 16u}) {  // 32 samples of PPG come with 16 of acceleration
      for (const bool acc_first : {false, true}) {
        const Owned owned(model, config);
        std::vector<StreamResult> got;
        for (std::size_t i = 0; 2 * i < recording.ppg.size(); i += packet) {
          Chunk ppg, acc;
          const std::size_t n = std::min(packet, recording.acc.size() / 3 - i);
          ppg.ppg = recording.ppg.data() + 2 * i, ppg.n = 2 * n;
          acc.acc = recording.acc.data() + 3 * i, acc.n_acc = n;
          for (const Chunk& chunk : {acc_first ? acc : ppg, acc_first ? ppg : acc}) {
            for (const StreamResult& r : push(owned.stream, chunk)) got.push_back(r);
          }
        }
        CHECK(same(got, expected));
      }
    }
  }
}

TEST(a_stream_gives_what_predict_gives_on_the_prepared_signal) {
  for (const char* name : models()) {
    const Model model = open(name);
    if (model.config().channels > 1) continue;
    for (const double rate : rates({25.0, 40.0, 62.4725, 64.0, 176.0, 500.0})) {
      const StreamConfig config = config_of(model, rate);
      const Recording recording(model, rate, 20.0);
      const std::vector<StreamResult> results = at_once(model, config, recording);

      std::vector<float> signal(prepared_length(model, rate, recording.ppg.size()));
      std::size_t n = 0;
      CHECK(!prepare(model, rate, recording.ppg.data(), recording.ppg.size(), signal.data(), &n));
      CHECK(n <= signal.size());
      const std::size_t window = model.config().window, hop = model.config().hop;
      const Aligned scratch(model.scratch_bytes());
      std::vector<float> answers(model.config().n_outputs);
      std::size_t start = 80, answered = 0;      // one period of 0.5 Hz at 40 Hz
      const Aligned state(model.state_bytes());  // of a model that takes patches: here each result's at once
      for (const StreamResult& r : results) {
        if (!has_answer(r)) continue;
        if (model.state_bytes() > 0) {
          std::memset(state.block, 0, model.state_bytes());
          const std::size_t patches = (start + window - 80) / model.config().patch;
          model.extend(state.block, signal.data() + 80, patches, scratch.block);
          model.answer(state.block, answers.data(), scratch.block);
        } else {
          model.predict(signal.data() + start, 1, answers.data(), scratch.block);
        }
        const float expected = answers[model.config().task == Task::af ? 1 : 0];
        CHECK_EQ(model.config().task == Task::af ? r.af_probability : r.hr_bpm, expected);
        CHECK(std::fabs(r.t_end - static_cast<double>(start + window) / 40.0) < 1e-9);
        CHECK(std::fabs(static_cast<double>(r.sample) - std::ceil(r.t_end * rate - 1e-9)) < 0.5);
        CHECK(std::fabs(r.t_end - r.t_start - static_cast<double>(window) / 40.0) < 1e-9);
        start += hop;
        ++answered;
      }
      CHECK_EQ(answered, (n - 80 - window) / hop + 1);
    }
  }
}

TEST(a_long_hop_leaves_no_patch_out) {
  const Model model = open("v1.0_streamgpt_f32");
  StreamConfig config = config_of(model, 64.0);
  const Recording recording(model, 64.0, 30.0);
  const std::vector<StreamResult> often = at_once(model, config, recording);
  config.hop = 7.0 * 16.0 / 40.0;  // patches of 7 samples, in a window of 5
  std::size_t answered = 0;
  for (const StreamResult& r : at_once(model, config, recording)) {
    if (!has_answer(r)) continue;
    ++answered;
    CHECK(std::any_of(often.begin(), often.end(), [&](const StreamResult& other) { return same(r, other); }));
  }
  CHECK(answered >= 9);
}

TEST(an_accelerometer_reaches_the_model_at_its_place_in_time) {
  // An acceleration that only changes at one moment changes the answers of the windows after it, not before.
  const Model model = open("v1.0_gpt_acc_f32");
  const StreamConfig config = config_of(model, 64.0);
  Recording calm(model, 64.0, 30.0), shaken(model, 64.0, 30.0);
  const double moment = 20.0;
  for (std::size_t i = static_cast<std::size_t>(moment * 32.0); i < shaken.acc.size() / 3; ++i) {
    shaken.acc[3 * i] += 0.8f * static_cast<float>(std::sin(0.9 * static_cast<double>(i)));
  }
  StreamConfig untracked = config;
  untracked.track = 0;
  const std::vector<StreamResult> a = at_once(model, untracked, calm), b = at_once(model, untracked, shaken);
  CHECK_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i].t_end < moment - 8.0 / 32.0 - 0.01) CHECK(same(a[i], b[i]));
    if (a[i].t_end > moment + 8.0 / 32.0 + 0.1) CHECK(!same(a[i], b[i]));
  }
}

TEST(answers_follow_the_windows_before_them_unless_told_not_to) {
  const Model model = open("v1.0_gpt_acc_f32");
  const StreamConfig config = config_of(model, 64.0);
  StreamConfig untracked = config;
  untracked.track = 0;
  const Recording recording(model, 64.0, 20.0);
  const std::vector<StreamResult> a = at_once(model, config, recording);
  const std::vector<StreamResult> b = at_once(model, untracked, recording);
  CHECK(a.back().hr_bpm != b.back().hr_bpm);
  CHECK(a.back().hr_std > 0.0f);
}

TEST(reset_leaves_the_bytes_of_a_new_stream) {
  for (const char* name : models()) {
    const Model model = open(name);
    for (const std::int64_t timestamped : {0, 1}) {
      StreamConfig config = config_of(model, 64.0);
      config.timestamped = timestamped;
      const Recording recording(model, 64.0, 10.0);
      std::vector<double> times(recording.ppg.size());
      for (std::size_t i = 0; i < times.size(); ++i) times[i] = 5.0 + static_cast<double>(i) / 64.2;
      Chunk chunk = recording.chunk();
      chunk.times = times.data();
      const Owned owned(model, config, 0xFF);
      const std::vector<unsigned char> fresh(static_cast<unsigned char*>(owned.arena),
                                             static_cast<unsigned char*>(owned.arena) + owned.bytes);
      const std::vector<StreamResult> first = push(owned.stream, chunk);
      CHECK(std::memcmp(owned.arena, fresh.data(), owned.bytes) != 0);
      owned.stream->reset();
      CHECK_EQ(std::memcmp(owned.arena, fresh.data(), owned.bytes), 0);
      CHECK(same(push(owned.stream, chunk), first));
    }
  }
}

TEST(what_the_arena_held_plays_no_part) {
  const Model model = open("v1.0_gpt_acc_f32");
  const StreamConfig config = config_of(model, 100.0);
  const Recording recording(model, 100.0, 10.0);
  const Owned a(model, config, 0x00), b(model, config, 0xFF), c(model, config, 0x7F);
  const std::vector<StreamResult> expected = push(a.stream, recording.chunk());
  CHECK(same(push(b.stream, recording.chunk()), expected));
  CHECK(same(push(c.stream, recording.chunk()), expected));
}

TEST(writes_stay_inside_the_arena) {
  for (const char* name : models()) {
    const Model model = open(name);
    const StreamConfig config = config_of(model, 176.0);
    std::size_t bytes = 0;
    CHECK(!Stream::arena_bytes(model, config, &bytes));
    const Pages pages(bytes);
    unsigned char* const arena = pages.end() - bytes;  // a multiple of 64, as bytes is
    std::memset(pages.begin(), 0xA5, static_cast<std::size_t>(pages.end() - pages.begin()));
    Stream* stream = nullptr;
    CHECK(!Stream::init(model, config, arena, bytes, &stream));
    const Recording recording(model, 176.0, 10.0);
    CHECK(push(stream, recording.chunk()).size() > 3);
    for (const unsigned char* p = pages.begin(); p < arena; ++p) CHECK_EQ(*p, 0xA5);
  }
}

TEST(nothing_is_allocated_by_push_and_reset) {
  for (const char* name : models()) {
    const Model model = open(name);
    StreamConfig config = config_of(model, 64.0);
    Recording recording(model, 64.0, 20.0);
    recording.ppg[700] = std::numeric_limits<float>::quiet_NaN();
    const Owned owned(model, config);
    Chunk chunk = recording.chunk();
    StreamResult result;
    int results = 0;
    const long before = allocations;
    while (owned.stream->push(&chunk, &result)) ++results;
    owned.stream->reset();
    CHECK_EQ(allocations.load() - before, 0);
    CHECK(results > 50);
  }
}

// What a kind of bad samples does to a stream: results there say why, and the first window after them is a
// fresh stream's.
void check_bad(const char* name, Reason reason, const std::vector<float>& bad) {
  const Model model = open(name);
  StreamConfig config = config_of(model, 64.0);
  config.clip_low = 0.0;
  config.clip_high = 262143.0;
  config.worn_low = 5000.0;
  const std::size_t at = 64 * 12;
  std::vector<float> x = pulses(64 * 40, 64.0);
  const std::vector<float> after(x.begin() + static_cast<long>(at), x.end());
  x.insert(x.begin() + static_cast<long>(at), bad.begin(), bad.end());

  const Owned stream(model, config), fresh(model, config);
  const std::vector<StreamResult> results = push(stream.stream, x);
  std::vector<StreamResult> expected = push(fresh.stream, after), got;
  const double seconds = static_cast<double>(model.config().window) / 40.0;
  const double begins = 12.0, ends = 12.0 + static_cast<double>(bad.size()) / 64.0;
  bool flagged = false;
  for (const StreamResult& r : results) {
    CHECK(std::isfinite(r.t_end) && r.t_end - r.t_start < seconds + 1e-9);
    if (r.t_start < ends && r.t_end > begins + (reason == Reason::flat ? 0.6 : 0.0)) {  // touches them
      CHECK(r.reason == reason);
      CHECK(std::isnan(r.hr_bpm) && r.quality == 0.0f);
      flagged = true;
    }
    if (r.t_end > ends + 1e-9) got.push_back(r);
  }
  CHECK(flagged);
  // The first windows after bad samples say why they are not whole, those of a fresh stream that they warm
  // up.
  while (!got.empty() && got[0].t_start < ends - 1e-9) {
    CHECK(got[0].reason == reason && expected[0].reason == Reason::warming_up);
    got.erase(got.begin());
    expected.erase(expected.begin());
  }
  CHECK(!got.empty() && has_answer(got.back()));
  if (!CHECK(same(got, expected, true))) std::cout << "  " << name << " " << reason_name(reason) << "\n";
}

TEST(bad_samples_are_flagged_and_leave_no_trace) {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  constexpr float infinity = std::numeric_limits<float>::infinity();
  for (const char* name : models()) {
    if (open(name).config().channels > 1) continue;
    for (const std::size_t n : {1u, 100u, 1000u}) {
      check_bad(name, Reason::gap, std::vector<float>(n, nan));
      check_bad(name, Reason::gap, std::vector<float>(n, -infinity));
      check_bad(name, Reason::out_of_range, std::vector<float>(n, 1e30f));
      check_bad(name, Reason::clipped, std::vector<float>(n, 262143.0f));
      check_bad(name, Reason::clipped, std::vector<float>(n, -0.0f));
      check_bad(name, Reason::off_wrist, std::vector<float>(n, 3000.0f));
    }
    check_bad(name, Reason::flat, std::vector<float>(1000, 100000.0f));
    check_bad(name, Reason::out_of_range, {3.4e38f});
  }
}

TEST(any_numbers_leave_a_stream_in_order) {
  const float odd[] = {std::numeric_limits<float>::quiet_NaN(),
                       std::numeric_limits<float>::infinity(),
                       -0.0f,
                       1e-40f,
                       1e30f,
                       9.9e8f,
                       -9.9e8f,
                       0.0f,
                       3.4e38f,
                       1.0f};
  Random random(11);
  for (const char* name : models()) {
    const Model model = open(name);
    const StreamConfig config = config_of(model, 64.0);
    const Owned stream(model, config), fresh(model, config);
    Recording recording(model, 64.0, 30.0);
    for (float& x : recording.ppg) x = random.below(400) == 0 ? odd[random.below(10)] : 1e-3f * x;
    for (float& a : recording.acc) a = random.below(400) == 0 ? odd[random.below(10)] : a;
    for (const StreamResult& r : push(stream.stream, recording.chunk())) {
      CHECK(r.quality >= 0.0f && r.quality <= 1.0f);
      if (!has_answer(r)) CHECK(std::isnan(r.hr_bpm) && std::isnan(r.af_probability));
    }
    Chunk missing;
    const float nan[3] = {odd[0], odd[0], odd[0]};
    missing.ppg = nan, missing.n = 1, missing.acc = nan, missing.n_acc = model.config().channels > 1 ? 1 : 0;
    push(stream.stream, missing);  // ends what the odd numbers began
    if (model.config().channels > 1) continue;
    const Recording clean(model, 64.0, 20.0);
    const std::vector<StreamResult> got = push(stream.stream, clean.chunk());
    const std::vector<StreamResult> expected = push(fresh.stream, clean.chunk());
    CHECK_EQ(got.size(), expected.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      if (has_answer(expected[i])) CHECK(same(got[i], expected[i], true));
    }
  }
}

TEST(a_day_later_nothing_has_drifted) {
  for (const double rate : {25.0, 64.0, 100.0, 128.0}) {
    const Model model = open("v1.0_mlp_s8");
    StreamConfig config = config_of(model, rate);
    config.hop = 10.0;
    config.first_sample = (std::int64_t{1} << 31) - 3600 * static_cast<std::int64_t>(rate);
    // One minute again and again: at all these rates it holds a whole number of outputs and results.
    const std::vector<float> minute = pulses(static_cast<std::size_t>(60.0 * rate), rate, 75.0);
    const Owned day(model, config), fresh(model, config);
    const int minutes = (emulated() ? 1 : 24) * 60;
    StreamResult last;
    for (int m = 0; m < minutes; ++m) {
      for (const StreamResult& r : push(day.stream, minute)) last = r;
    }
    const double elapsed = static_cast<double>(last.sample - config.first_sample) / rate;
    CHECK(elapsed <= 60.0 * minutes && elapsed > 60.0 * minutes - 10.5);
    CHECK(last.sample > (std::int64_t{1} << 31) || minutes < 61);
    CHECK(std::fabs(last.t_end * rate - static_cast<double>(last.sample)) < 1.0);
    // The hour after a lost sample is the first hour of a new stream.
    push(day.stream, {std::numeric_limits<float>::quiet_NaN()});
    std::vector<StreamResult> first_hour, last_hour;
    for (int m = 0; m < 60; ++m) {
      for (const StreamResult& r : push(day.stream, minute)) last_hour.push_back(r);
      for (const StreamResult& r : push(fresh.stream, minute)) first_hour.push_back(r);
    }
    CHECK_EQ(first_hour.size(), last_hour.size());
    for (std::size_t i = 0; i < first_hour.size(); ++i) {
      if (has_answer(first_hour[i])) CHECK(same(first_hour[i], last_hour[i], true));
      CHECK_EQ(last_hour[i].sample - first_hour[i].sample,
               static_cast<std::int64_t>(60.0 * rate) * minutes + 1);
    }
  }
}

TEST(time_stamps_place_results_and_correct_the_rate) {
  const Model model = open("v1.0_mlp_f32");
  for (const double true_rate : {63.5, 64.0, 64.3}) {
    StreamConfig config = config_of(model, 64.0);
    config.timestamped = 1;
    const std::vector<float> x = pulses(64 * 120, true_rate);
    Random random(2);
    std::vector<double> times(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      times[i] = 1e6 + static_cast<double>(i) / true_rate + 0.01 * (random.uniform() - 0.5);
    }
    const Owned owned(model, config);
    Chunk chunk;
    chunk.ppg = x.data(), chunk.n = x.size(), chunk.times = times.data();
    const std::vector<StreamResult> results = push(owned.stream, chunk);
    CHECK(has_answer(results.back()));
    for (const StreamResult& r : results) {
      const double position = (r.t_end - 1e6) * true_rate;
      CHECK(std::fabs(position - static_cast<double>(r.sample)) < 2.5);
    }
    CHECK(std::fabs(owned.stream->measured_rate() / true_rate - 1.0) < 1e-3);
  }
}

TEST(samples_missing_by_the_time_stamps_are_a_gap) {
  const Model model = open("v1.0_mlp_f32");
  StreamConfig config = config_of(model, 64.0);
  config.timestamped = 1;
  const std::vector<float> x = pulses(64 * 30, 64.0);
  std::vector<double> times(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) times[i] = static_cast<double>(i + (i < 960 ? 0 : 640)) / 64.0;
  const Owned owned(model, config);
  Chunk chunk;
  chunk.ppg = x.data(), chunk.n = x.size(), chunk.times = times.data();
  bool flagged = false;
  for (const StreamResult& r : push(owned.stream, chunk)) {
    if (r.t_start < 25.0 && r.t_end > 15.0 + 1e-6) {
      CHECK(r.reason == Reason::gap);
      flagged = true;
    }
    if (r.t_end > 25.0) CHECK(std::fabs(r.t_end * 64.0 - static_cast<double>(r.sample)) < 2.0);
  }
  CHECK(flagged);
}

TEST(an_accelerometer_that_stays_away_is_a_gap) {
  const Model model = open("v1.0_gpt_acc_f32");
  const StreamConfig config = config_of(model, 64.0);
  const Owned owned(model, config);
  Recording recording(model, 64.0, 20.0);
  recording.acc.resize(3 * 32 * 10);
  int gaps = 0;
  double last_answer = 0.0;
  for (const StreamResult& r : push(owned.stream, recording.chunk())) {
    gaps += r.reason == Reason::gap;
    if (has_answer(r)) last_answer = r.t_end;
  }
  CHECK(gaps > 20);
  CHECK(last_answer > 9.0 && last_answer < 10.5);
}

TEST(a_bad_acceleration_is_a_gap_that_leaves_no_trace) {
  for (const char* name : {"v1.0_gpt_acc_f32", "v1.0_tcn_acc_s8"}) {
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), 1e6f}) {
      const Model model = open(name);
      const StreamConfig config = config_of(model, 64.0);
      Recording recording(model, 64.0, 20.0);
      const std::size_t lost = 32 * 10;
      recording.acc[3 * lost + 1] = bad;
      Chunk after = recording.chunk();
      after.ppg += 2 * (lost + 1), after.n -= 2 * (lost + 1);
      after.acc += 3 * (lost + 1), after.n_acc -= lost + 1;
      const Owned stream(model, config), fresh(model, config);
      std::vector<StreamResult> got = push(stream.stream, recording.chunk());
      const std::vector<StreamResult> expected = push(fresh.stream, after);
      bool flagged = false;
      for (const StreamResult& r : got) {
        if (r.t_start < 10.0 && r.t_end > 10.1) flagged = r.reason == Reason::gap;
      }
      CHECK(flagged);
      got.erase(got.begin(), got.end() - static_cast<long>(expected.size()));
      for (std::size_t i = 0; i < got.size(); ++i) {
        if (has_answer(expected[i])) CHECK(same(got[i], expected[i], true));
      }
      CHECK(has_answer(got.back()));
    }
  }
}

// A result at least every `longest` samples, of `x` with time stamps if there are any.
void check_it_speaks(const StreamConfig& config, const std::vector<float>& x, std::int64_t longest,
                     const std::vector<double>& times = {}) {
  const Model model = open("v1.0_mlp_f32");
  const Owned owned(model, config);
  Chunk chunk;
  chunk.ppg = x.data(), chunk.n = x.size(), chunk.times = times.empty() ? nullptr : times.data();
  std::int64_t last = 0, pushed = 0;
  for (Chunk part = chunk; pushed < static_cast<std::int64_t>(x.size());
       ++part.ppg, part.times += chunk.times != nullptr, ++pushed) {
    part.n = 1;
    for (const StreamResult& r : push(owned.stream, part)) {
      CHECK(has_answer(r) || r.reason == Reason::warming_up || r.reason == Reason::gap ||
            r.reason == Reason::flat);
      CHECK(pushed - last <= longest);
      last = pushed;
    }
  }
  CHECK(pushed - last <= longest);
  owned.stream->reset();
  CHECK(push(owned.stream, chunk).size() > x.size() / static_cast<std::size_t>(longest) / 2);
}

TEST(stretches_too_short_for_a_result_do_not_silence_a_stream) {
  StreamConfig config = config_of(open("v1.0_mlp_f32"), 64.0);
  config.hop = 4.0;
  for (const std::size_t every : {2u, 32u, 200u}) {
    std::vector<float> x = pulses(64 * 60, 64.0);
    std::vector<double> times;
    for (std::size_t i = 0; i < x.size(); ++i)
      times.push_back(static_cast<double>(i + i / every * 64) / 64.0);
    config.timestamped = 1;
    check_it_speaks(config, x, 256 + static_cast<std::int64_t>(every), times);
    config.timestamped = 0;
    for (std::size_t i = 0; i < x.size(); i += every) x[i] = std::numeric_limits<float>::quiet_NaN();
    check_it_speaks(config, x, 256 + static_cast<std::int64_t>(every));
  }
  std::vector<float> square;
  for (int i = 0; i < 64 * 60; ++i) square.push_back(i / 160 % 2 == 0 ? 1000.0f : 1100.0f);
  check_it_speaks(config, square, 256 + 32);
}

TEST(a_drift_is_no_pulse) {
  const Model model = open(models()[0]);
  StreamConfig config = config_of(model, 64.0);
  config.min_quality = -1.0;
  for (int kind = 0; kind < 3; ++kind) {
    std::vector<float> x;
    for (int i = 0; i < 64 * 120; ++i) {
      x.push_back(static_cast<float>(kind == 0   ? 1e5 + i
                                     : kind == 1 ? std::round(1e5 + 0.1 * i)
                                                 : 1e5 * std::exp(-i / (64.0 * 60.0))));
    }
    const Owned owned(model, config);
    std::size_t answers = 0;
    for (const StreamResult& r : push(owned.stream, x)) {
      if (!has_answer(r)) continue;
      CHECK(r.reason == Reason::low_confidence);
      CHECK_EQ(r.quality, 0.0f);
      ++answers;
    }
    CHECK(answers > 100);
  }
}

TEST(time_stamps_may_be_anything) {
  const Model model = open("v1.0_mlp_f32");
  StreamConfig config = config_of(model, 64.0);
  config.timestamped = 1;
  Random random(4);
  const double odd[] = {std::nan(""), std::numeric_limits<double>::infinity(), -1e300, 1e300, 0.0, -5.0, 9e14,
                        3.0};
  const std::vector<float> x = pulses(64 * 300, 64.0);
  std::vector<double> times(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    times[i] = random.below(100) == 0 ? odd[random.below(8)] : static_cast<double>(i) / 64.0;
  }
  const Owned owned(model, config);
  Chunk chunk;
  chunk.ppg = x.data(), chunk.n = x.size(), chunk.times = times.data();
  for (const StreamResult& r : push(owned.stream, chunk)) {
    CHECK(std::isfinite(r.t_start) && std::isfinite(r.t_end) && r.sample >= 0);
    CHECK(has_answer(r) || std::isnan(r.hr_bpm));
  }
  CHECK(std::isfinite(owned.stream->measured_rate()));
}

TEST(streams_of_one_model_do_not_touch_each_other) {
  const Model model = open(models()[0]);
  const StreamConfig config = config_of(model, 64.0);
  std::vector<std::vector<float>> signals;
  std::vector<std::vector<StreamResult>> expected;
  for (int k = 0; k < 8; ++k) {
    signals.push_back(pulses(64 * 20, 64.0, 60.0 + 10.0 * k, static_cast<std::uint64_t>(k)));
    const Owned owned(model, config);
    expected.push_back(push(owned.stream, signals.back()));
  }
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (std::size_t k = 0; k < 8; ++k) {
    threads.emplace_back([&, k] {
      const Owned owned(model, config);
      wrong += same(push(owned.stream, signals[k]), expected[k]) ? 0 : 1;
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK_EQ(wrong.load(), 0);
}

}  // namespace
