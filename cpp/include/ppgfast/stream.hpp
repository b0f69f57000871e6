// Samples as a sensor sends them -> a result every hop: any rate, any packets, with gaps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include "ppgfast/model.hpp"
#include "ppgfast/status.hpp"

namespace ppgfast {

// Why a result is not `ok`. All but low_confidence come without a number.
enum class Reason : std::int32_t {
  ok,
  gap,             // samples are missing in the window: NaN, infinite, or not there by the time stamps
  flat,            // the same value for more than half a second
  clipped,         // a sample at the sensor's limits
  off_wrist,       // a sample outside the range of a worn sensor
  out_of_range,    // a sample beyond 1e9
  warming_up,      // not enough samples yet
  low_confidence,  // the signal hardly repeats, or the model is unsure
};
constexpr std::int32_t reason_count = 8;
const char* reason_name(Reason reason) noexcept;  // "gap"; static, never null

struct StreamConfig {
  double sampling_rate = 0.0;  // of the PPG, Hz, 20 to 500; must be stated
  double acc_rate = 0.0;       // of the accelerometer, Hz, 10 to 500; for models with 4 channels
  double hop = 0.0;            // between results, s; 0: the model's, and one window if it states none
  double clip_low =
      -std::numeric_limits<double>::infinity();  // limits of the sensor, in units of the samples
  double clip_high = std::numeric_limits<double>::infinity();
  double worn_low = -std::numeric_limits<double>::infinity();  // raw level while worn
  double worn_high = std::numeric_limits<double>::infinity();
  double min_quality = -1.0;      // 0 to 1; below: low_confidence; -1: 0.3 for hr, 0.1 for af
  double max_hr_std = 15.0;       // bpm; above: low_confidence, for models that tell
  double jitter = 0.1;            // s; a time stamp further from where it was due is a gap
  std::int64_t timestamped = 0;   // 1: every chunk has time stamps
  std::int64_t track = 1;         // 1: answers follow the distributions of all windows since the last gap
  std::int64_t both_ways = 0;     // 1: windows are filtered backwards too, as training does
  std::int64_t first_sample = 0;  // number of the first sample, 0 to 2^53
};

// What has arrived. A call of push moves the pointers on and lowers the counts as it takes samples.
struct Chunk {
  const float* ppg = nullptr;  // NaN: a missing sample
  std::size_t n = 0;
  const float* acc = nullptr;  // (n_acc, 3): x, y, z in g; from the same moment on as the first PPG sample
  std::size_t n_acc = 0;
  const double* times = nullptr;  // (n), s; if the stream is timestamped
};

struct StreamResult {
  double t_start = 0.0,
         t_end = 0.0;       // of the window, s: sample number / rate, or the clock of the time stamps
  std::int64_t sample = 0;  // number of the first sample after the window
  float hr_bpm = 0.0f, hr_std = 0.0f;  // NaN where the model has no such answer or the window none
  float af_probability = 0.0f;
  float quality = 0.0f;  // 0 to 1
  Reason reason = Reason::ok;
};

// One person's signal through one model. It lives in memory that the caller gives and keeps, needs no
// destructor, and may be used by one thread at a time; the model must outlive it.
class Stream {
 public:
  // Bytes, at a multiple of 64, that `init` needs.
  static Error arena_bytes(const Model& model, const StreamConfig& config, std::size_t* bytes) noexcept;
  static Error init(const Model& model, const StreamConfig& config, void* arena, std::size_t bytes,
                    Stream** out) noexcept;

  // Takes samples until a result is there: true, then call it again. False: all samples are taken.
  //   while (stream->push(&chunk, &result)) use(result);
  // Never fails, allocates, locks or throws, whatever the samples are, and every cut into chunks gives the
  // same results. With an accelerometer, what came too early waits for the other signal for one window; then
  // what is missing counts as lost.
  bool push(Chunk* chunk, StreamResult* result) noexcept;

  // The bytes of a stream that has just been initialised.
  void reset() noexcept;

  const StreamConfig& config() const noexcept;
  double latency() const noexcept;  // from the last sample of a window to its result, s
  // The sampling rate that the time stamps show, Hz; 0 before 20 s of them and without any. The stream
  // follows it. More than 1 % beside the rate stated, something is wrong with one of the two.
  double measured_rate() const noexcept;

  struct State;

 private:
  Stream() = default;
};

// A whole recording (n samples at `sampling_rate` Hz, finite) as the signal that a stream cuts its windows
// from, bit for bit: resampled to the model's rate and band-passed from its first sample on. `out` holds
// prepared_length floats, of which `n_out` are written.
std::size_t prepared_length(const Model& model, double sampling_rate, std::size_t n) noexcept;
Error prepare(const Model& model, double sampling_rate, const float* ppg, std::size_t n, float* out,
              std::size_t* n_out) noexcept;

}  // namespace ppgfast
