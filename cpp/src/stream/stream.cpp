#include "ppgfast/stream.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <type_traits>

#include "model/scaling.hpp"
#include "stream/arena.hpp"
#include "stream/chain.hpp"
#include "stream/checks.hpp"
#include "stream/clock.hpp"
#include "stream/gate.hpp"
#include "stream/merge.hpp"
#include "stream/quality.hpp"
#include "stream/resampler.hpp"
#include "stream/ring.hpp"
#include "stream/tracker.hpp"

namespace ppgfast {
namespace {

using namespace stream;

constexpr std::size_t axes = 3;
constexpr std::int64_t latest_sample = std::int64_t{1} << 60;  // whatever the time stamps say
constexpr float no_answer = std::numeric_limits<float>::quiet_NaN();
constexpr const char* reasons[reason_count] = {"ok",        "gap",          "flat",       "clipped",
                                               "off_wrist", "out_of_range", "warming_up", "low_confidence"};

}  // namespace

// A stretch is a run of usable samples. It starts like a new stream: low-pass, band-pass and window are
// empty, and no sample from before it plays a part. Outputs are counted from its start.
struct Stream::State : Stream {
  const Model* model;
  StreamConfig config;
  std::size_t bytes;  // of the arena

  // Constants.
  std::int64_t window, hop, settling;  // outputs
  std::int64_t hop_inputs;             // PPG samples in a hop
  double min_quality;
  double acc_per_ppg;  // rate over rate
  float *table, *gathered, *predictions, *belief;
  void* scratch;           // of the model, of the quality, and of the low-pass while it is designed
  void* kept;              // the model's state of the stretch
  std::size_t kept_bytes;  // 0: whole windows only
  std::uint64_t at_once;   // patches at most

  // What changes.
  Merge merge;
  Gate gate;
  Clock clock;
  Chain chain;
  Tracker tracker;
  Resampler acc[axes];
  Ring signal[1 + axes];  // the last window, at the model's rate
  AccSample acc_last;
  std::int32_t acc_missing;
  std::int64_t index;    // of the next sample
  std::int64_t started;  // index of the first sample of the stretch, -1 between stretches
  std::int64_t outputs;  // of the stretch
  std::int64_t due;      // outputs at the next result
  std::uint64_t fresh;   // patches that the model has not taken yet
  std::int64_t silent;   // samples since the last result
  double start_time;     // of the stream, s
  Reason last_reason;    // why the last stretch ended; warming_up before the first
  std::int32_t is_first;
  float last, step;  // sample of the stretch, the smallest that two of them differed by

  bool has_acc() const noexcept { return model->config().channels > 1; }
  bool gathers() const noexcept { return has_acc() || config.both_ways != 0; }
  bool tracks() const noexcept {
    return config.track != 0 && model->config().activation == Activation::distribution;
  }
  void lay_out_scratch(Arena& arena) noexcept;
  double now() const noexcept {  // when the next sample is due, s
    return config.timestamped != 0 ? clock.due() : static_cast<double>(index) / config.sampling_rate;
  }
  static std::size_t lay_out(const Model& model, const StreamConfig& config, void* arena) noexcept;
  void set_constants() noexcept;
  void lay_out_signals(Arena& arena) noexcept;
  void lay_out_model(Arena& arena) noexcept;
  void start_stretch(float x) noexcept;
  void take_usable(float x) noexcept;
  bool take_ppg(const PpgSample& sample, StreamResult* result) noexcept;
  void take_acc(const AccSample& sample) noexcept;
  bool take_output(StreamResult* result) noexcept;
  void place(double t_end, std::int64_t sample, Reason reason, StreamResult* result) const noexcept;
  void take_patch() noexcept;
  void answer(StreamResult* result) noexcept;
};

void Stream::State::set_constants() noexcept {
  const ModelConfig& m = model->config();
  window = m.window;
  const auto asked = static_cast<std::int64_t>(config.hop * m.sampling_rate + 0.5);
  hop = config.hop > 0.0 ? asked : m.hop > 0 ? m.hop : m.window;
  hop_inputs =
      static_cast<std::int64_t>(std::ceil(static_cast<double>(hop) * config.sampling_rate / m.sampling_rate));
  settling = settling_outputs(m);
  // Noise without a pulse has a quality below 0.3 in 99 of 100 windows; a rhythm that does not repeat is
  // what fibrillation is, so only the worst is refused there.
  min_quality = config.min_quality >= 0.0 ? config.min_quality : m.task == Task::af ? 0.1 : 0.3;
  acc_per_ppg = has_acc() ? config.acc_rate / config.sampling_rate : 0.0;
}

void Stream::State::lay_out_scratch(Arena& arena) noexcept {
  const ModelConfig& m = model->config();
  const bool measured = config.timestamped != 0;
  const bool keeps_table = Resampler::keeps_table(config.sampling_rate, m.sampling_rate, measured) ||
                           (has_acc() && Resampler::keeps_table(config.acc_rate, m.sampling_rate, measured));
  const std::size_t design = keeps_table ? 0 : Lowpass::floats * sizeof(float);
  scratch = arena.take<unsigned char>(
      std::max({model->scratch_bytes(), design, quality_scratch(m.window) * sizeof(float)}));
  table = keeps_table ? arena.take<float>(Lowpass::floats) : static_cast<float*>(scratch);
  if (table != nullptr) Lowpass::design(table);
}

void Stream::State::lay_out_signals(Arena& arena) noexcept {
  const ModelConfig& m = model->config();
  const bool placed = table != nullptr;
  // The accelerometer's low-pass must have what it reaches for when an output of the PPG comes.
  const std::size_t reach = has_acc() ? Resampler::reach(config.acc_rate, m.sampling_rate) : 0;
  const double wait = has_acc() ? std::ceil(static_cast<double>(reach + 1) / acc_per_ppg) + 2.0 : 0.0;
  chain.init(m, config.sampling_rate, config.timestamped != 0, static_cast<std::size_t>(wait), table, arena);
  const auto delay =
      static_cast<std::size_t>(std::ceil(static_cast<double>(chain.delay()) * acc_per_ppg) + 3.0);
  for (std::size_t a = 0; has_acc() && a < axes; ++a) {
    float* const memory = arena.take<float>(Resampler::memory_floats(reach, delay));
    const std::size_t n =
        Resampler::weight_doubles(config.acc_rate, m.sampling_rate, reach, config.timestamped != 0);
    double* const weights = arena.take<double>(n);
    if (placed) acc[a].init(table, memory, weights, n, config.acc_rate, m.sampling_rate, reach, delay);
  }
  for (std::size_t c = 0; c < m.channels; ++c) {
    signal[c].init(arena.take<float>(Ring::floats(m.window)), m.window);
  }
  merge.init(config, has_acc(), m.window / m.sampling_rate, arena);
}

void Stream::State::lay_out_model(Arena& arena) noexcept {
  const ModelConfig& m = model->config();
  gathered = arena.take<float>(gathers() ? std::size_t{m.channels} * m.window : 0);
  predictions = arena.take<float>(m.n_outputs);
  belief = arena.take<float>(tracks() ? m.n_outputs : 0);
  double* const memory = arena.take<double>(tracks() ? Tracker::memory(m.n_outputs) : 0);
  if (tracks() && memory != nullptr) {
    tracker.init(m.n_outputs, m.std, static_cast<double>(hop) / m.sampling_rate, memory);
  }
  const bool endless = m.kind == Kind::streamgpt;
  kept_bytes = endless || (hop == window && config.both_ways == 0) ? model->state_bytes() : 0;
  at_once = endless ? m.n_patches : 1;
  kept = arena.take<unsigned char>(kept_bytes);
}

// Everything in the arena, in order, as a new stream has it; with a null block only its size.
std::size_t Stream::State::lay_out(const Model& model, const StreamConfig& config, void* block) noexcept {
  static_assert(std::is_trivially_copyable_v<State> && std::is_trivially_destructible_v<State>);
  static_assert(sizeof(StreamConfig) == 14 * 8, "padding would make equal streams differ");
  Arena arena(block);
  State unplaced;
  State* s = arena.take<State>(1);
  s = s == nullptr ? &unplaced : new (s) State;
  std::memset(static_cast<void*>(s), 0,
              sizeof(State));  // padding too: a stream that is reset equals a new one

  s->model = &model;
  s->config = config;
  s->set_constants();
  s->lay_out_scratch(arena);
  s->lay_out_signals(arena);
  s->lay_out_model(arena);
  s->bytes = arena.used();

  s->gate.init(config);
  s->clock.init(config.sampling_rate, config.jitter);
  s->acc_missing = 1;
  s->index = config.first_sample;
  s->started = -1;
  s->last_reason = Reason::warming_up;
  s->is_first = 1;
  return arena.used();
}

const char* reason_name(Reason reason) noexcept {
  const auto i = static_cast<std::size_t>(reason);
  return reasons[i < reason_count ? i : 0];
}

Error Stream::arena_bytes(const Model& model, const StreamConfig& config, std::size_t* bytes) noexcept {
  if (const Error error = check(model.config(), config)) return error;
  *bytes = State::lay_out(model, config, nullptr);
  return Error();
}

Error Stream::init(const Model& model, const StreamConfig& config, void* arena, std::size_t bytes,
                   Stream** out) noexcept {
  std::size_t needed = 0;
  if (const Error error = arena_bytes(model, config, &needed)) return error;
  const auto address = reinterpret_cast<std::uintptr_t>(arena);
  if (address % 64 != 0) {
    return refusal(Status::misaligned, static_cast<double>(address % 64), 0.0, "arena");
  }
  if (arena == nullptr || bytes < needed) {
    return refusal(Status::arena_too_small, static_cast<double>(arena == nullptr ? 0 : bytes),
                   static_cast<double>(needed), "arena");
  }
  std::memset(arena, 0, needed);
  State::lay_out(model, config, arena);
  *out = static_cast<State*>(arena);
  return Error();
}

void Stream::reset() noexcept {
  State* const s = static_cast<State*>(this);
  const Model& model = *s->model;
  const StreamConfig config = s->config;
  std::memset(static_cast<void*>(s), 0, s->bytes);
  State::lay_out(model, config, s);
}

bool Stream::push(Chunk* chunk, StreamResult* result) noexcept {
  State& s = *static_cast<State*>(this);
  for (;;) {
    while (s.started >= 0 && s.chain.ready()) {
      if (s.take_output(result)) return true;
    }
    PpgSample ppg;
    AccSample acc;
    switch (s.merge.next(chunk, &ppg, &acc)) {
      case Merge::Kind::none:
        return false;
      case Merge::Kind::acc:
        s.take_acc(acc);
        break;
      case Merge::Kind::ppg:
        if (s.take_ppg(ppg, result)) return true;
        break;
    }
  }
}

void Stream::State::take_acc(const AccSample& sample) noexcept {
  constexpr float largest = 1000.0f;  // g
  acc_missing = 0;
  for (std::size_t a = 0; a < axes; ++a) {
    if (!(std::fabs(sample.axis[a]) <= largest)) acc_missing = 1;
  }
  acc_last = sample;
  for (std::size_t a = 0; acc_missing == 0 && started >= 0 && a < axes; ++a) acc[a].push(sample.axis[a]);
}

// True when a result comes of it: where a stretch ends or none is, if the last is a hop ago.
bool Stream::State::take_ppg(const PpgSample& sample, StreamResult* result) noexcept {
  const auto x = static_cast<float>(sample.value);
  Reason reason = gate.check(x);
  bool jumped = false;
  if (has_acc() && acc_missing != 0 && reason == Reason::ok) reason = Reason::gap;
  if (config.timestamped != 0) {
    std::int64_t lost = 0;
    switch (clock.accept(sample.time, &lost)) {
      case Clock::Stamp::on_time:
        chain.resampler().set_step(1.0 / (clock.period() * model->config().sampling_rate));
        for (std::size_t a = 0; has_acc() && a < axes; ++a) {
          acc[a].set_step(acc_per_ppg / (clock.period() * model->config().sampling_rate));
        }
        break;
      case Clock::Stamp::jump:
        index = std::min(index + lost, latest_sample);
        start_time = std::min(start_time, sample.time);  // the clock may have been set back
        started = -1;
        last_reason = Reason::gap;
        jumped = true;
        break;
      case Clock::Stamp::none:
        reason = Reason::gap;
        break;
    }
  }
  ++index, ++silent;
  if (is_first != 0) {
    start_time = now() - (config.timestamped != 0 ? clock.period() : 1.0 / config.sampling_rate);
    is_first = 0;
  }
  if (reason == Reason::ok) {
    take_usable(x);
    if (!jumped) return false;
  } else {
    started = -1;
    last_reason = reason;
  }
  if (silent < hop_inputs) return false;
  silent = 0;
  place(now(), index, last_reason, result);
  return true;
}

void Stream::State::take_usable(float x) noexcept {
  if (started < 0) start_stretch(x);
  if (x != last) step = std::min(step, std::fabs(x - last));
  last = x;
  chain.push(x);
}

void Stream::State::start_stretch(float x) noexcept {
  started = index - 1;
  outputs = 0;
  fresh = 0;
  if (kept_bytes > 0) std::memset(kept, 0, kept_bytes);
  last = x;
  step = std::numeric_limits<float>::infinity();
  due = (window + settling - 1) % hop + 1;  // so that the first whole window gives a result
  chain.restart(x);
  if (tracks()) tracker.reset();
  for (std::size_t a = 0; has_acc() && a < axes; ++a) {
    acc[a].restart(acc_last.axis[a], merge.acc_offset());
    acc[a].push(acc_last.axis[a]);
  }
}

// One sample at the model's rate; true when a result is due with it.
bool Stream::State::take_output(StreamResult* result) noexcept {
  signal[0].push(chain.pull());
  for (std::size_t a = 0; has_acc() && a < axes; ++a) {
    signal[1 + a].push(static_cast<float>(acc[a].pull()));
  }
  ++outputs;
  if (kept_bytes > 0) take_patch();
  if (outputs != due) return false;
  due += hop;
  silent = 0;

  // The next output lies where the window ends.
  const Resampler& at = chain.resampler();
  double end = static_cast<double>(started) / config.sampling_rate +
               static_cast<double>(outputs) / model->config().sampling_rate;
  if (config.timestamped != 0) {
    const double ahead = static_cast<double>(index - started - at.position()) - at.fraction();
    end = clock.due() - ahead * clock.period();
  }
  const bool whole = outputs >= window;
  place(end, started + at.position() + (at.fraction() > 0.0 ? 1 : 0),
        whole ? Reason::warming_up : last_reason, result);
  if (outputs >= window + settling) answer(result);
  return true;
}

// A result without a number.
void Stream::State::place(double t_end, std::int64_t sample, Reason reason,
                          StreamResult* result) const noexcept {
  const double length = static_cast<double>(window) / model->config().sampling_rate;
  result->t_start = std::max(t_end - length, start_time);
  result->t_end = t_end;
  result->sample = sample;
  result->hr_bpm = result->hr_std = result->af_probability = no_answer;
  result->quality = 0.0f;
  result->reason = reason;
}

// A model with a state takes each patch once, from the first output that windows may hold on: as one of a
// signal without end with the next result, which comes at the end of a patch, or when the window holds no
// more; as one of a window, the next of which begins where this one ends, at once, so that little is left to
// do at its end.
void Stream::State::take_patch() noexcept {
  const ModelConfig& m = model->config();
  if (outputs <= settling || (outputs - settling) % m.patch != 0) return;
  ++fresh;
  if (outputs != due && fresh != at_once) return;
  model->extend(kept, signal[0].last(fresh * m.patch), fresh, scratch);
  fresh = 0;
}

// What the model says of the last window.
void Stream::State::answer(StreamResult* result) noexcept {
  const ModelConfig& m = model->config();
  const float* const ppg = signal[0].last(m.window);
  const float* x = ppg;
  if (gathers()) {
    for (std::size_t c = 0; c < m.channels; ++c) {
      std::memcpy(gathered + c * m.window, signal[c].last(m.window), m.window * sizeof(float));
    }
    if (config.both_ways != 0) chain.filter_backwards(gathered, m.window);
    x = gathered;
  }
  if (kept_bytes > 0) {
    model->answer(kept, predictions, scratch);
    if (m.kind != Kind::streamgpt) std::memset(kept, 0, kept_bytes);
  } else {
    model->outputs(x, 1, predictions, scratch);
  }
  result->quality = quality(ppg, m.window, m.sampling_rate, step, static_cast<float*>(scratch));
  if (m.activation == Activation::distribution) {
    const float* probability = predictions;
    if (tracks()) tracker.push(predictions, belief), probability = belief;
    float median_and_deviation[2];
    summarize(m, probability, median_and_deviation);
    result->hr_bpm = median_and_deviation[0];
    result->hr_std = median_and_deviation[1];
  } else if (m.task == Task::hr) {
    result->hr_bpm = predictions[0];
  } else {
    result->af_probability = predictions[m.n_outputs > 1 ? 1 : 0];
  }
  const bool unsure = static_cast<double>(result->hr_std) > config.max_hr_std;
  const bool weak = static_cast<double>(result->quality) < min_quality;
  result->reason = unsure || weak ? Reason::low_confidence : Reason::ok;
}

const StreamConfig& Stream::config() const noexcept { return static_cast<const State*>(this)->config; }

double Stream::latency() const noexcept {
  const State& s = *static_cast<const State*>(this);
  return static_cast<double>(s.chain.delay()) / s.config.sampling_rate;
}

double Stream::measured_rate() const noexcept {
  return static_cast<const State*>(this)->clock.measured_rate();
}

}  // namespace ppgfast
