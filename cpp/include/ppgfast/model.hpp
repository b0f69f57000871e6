// A PPG model: read once, then immutable; any number of threads may call it at the same time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "ppgfast/status.hpp"

namespace ppgfast {

enum class Kind : std::int64_t { linear = 0, mlp = 1, gpt = 2, papagei = 3, tcn = 4, streamgpt = 5 };
enum class Precision : std::int64_t { f32 = 0, s8 = 1 };  // of the weights; s8 quantises activations too
enum class Scaling : std::int64_t { none = 0, minmax = 1, zscore = 2 };
enum class Task : std::int64_t { none = 0, hr = 1, af = 2 };
enum class Units : std::int64_t { none = 0, bpm = 1, probability = 2 };
enum class Activation : std::int64_t {
  none = 0,
  softmax = 1,
  distribution = 2,  // softmax over bins of one quantity; the prediction is its median and deviation
};

// What the file says about itself: shapes, and the whole contract on input and output.
struct ModelConfig {
  Kind kind = Kind::linear;
  Precision precision = Precision::f32;
  std::uint32_t n_outputs = 0;
  std::uint32_t n_patches = 0;
  std::uint32_t patch = 0;     // samples per patch
  std::uint32_t d_model = 0;   // width of the hidden states that `embed` returns; linear: 0
  std::uint32_t n_layers = 0;  // gpt and streamgpt, as n_heads is
  std::uint32_t n_heads = 0;
  std::uint32_t reach = 0;         // streamgpt only: patches that a layer looks at
  std::uint32_t n_blocks = 0;      // papagei and tcn
  std::uint32_t base_filters = 0;  // papagei only: channels of the first block
  std::uint32_t d_classifier = 0;  // papagei only: hidden units of the classifier

  double sampling_rate = 0.0;  // Hz; 0 = not stated
  std::uint32_t window = 0;    // samples of each channel
  std::uint32_t channels = 1;  // 1: PPG; 4: PPG, then the accelerometer's x, y and z in g
  std::uint32_t hop = 0;       // samples; 0 = not stated
  std::int64_t polarity = 1;   // 1 or -1
  Scaling scaling = Scaling::none;
  double filter_low = 0.0, filter_high = 0.0;  // Hz
  std::uint32_t filter_order = 0;              // 0 = no filter

  Task task = Task::none;
  Units units = Units::none;
  double mean = 0.0, std = 1.0;  // prediction = raw * std + mean; of a distribution, raw is the bin's number
  Activation activation = Activation::none;

  // Numbers that `predict` returns for a window.
  std::uint32_t n_predictions() const noexcept {
    return activation == Activation::distribution ? 2 : n_outputs;
  }
};

class Model {
 public:
  Model() noexcept;
  ~Model();
  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;

  // Reads a model from a file, or from bytes that start at a multiple of 64 and are not needed afterwards.
  // `isa` forces a kernel table ("scalar", "avx2"); null takes PPGFAST_FORCE_ISA, else the fastest this CPU
  // runs. Everything that can fail fails here; `*out` is unchanged then.
  static Error open_file(const char* path, const char* isa, Model* out) noexcept;
  static Error open_memory(const void* bytes, std::size_t size, const char* isa, Model* out) noexcept;

  // For small devices: reads a model whose weights were packed before (`python -m ppgfast export-c`) and uses
  // them where they lie, so `bytes`, at a multiple of 64, must outlive the model. Works on one window at a
  // time, whatever the batch, with the least scratch memory.
  static Error open_in_place(const void* bytes, std::size_t size, const char* isa, Model* out) noexcept;

  const ModelConfig& config() const noexcept;
  const char* isa() const noexcept;
  std::size_t tokens()
      const noexcept;  // rows of a window's hidden states: patches (streamgpt) + 1 (gpt), 0 (linear), else 1
  std::size_t parameters() const noexcept;     // numbers in the file's tensors that take part in a prediction
  std::size_t multiply_adds() const noexcept;  // of one window, in its linear layers and convolutions
  std::size_t weight_bytes() const noexcept;   // packed weights
  const void* weights() const noexcept;        // the packed weights, as `isa` wants them
  const char* note() const noexcept;           // provenance, as text; empty when the file has none

  // Bytes of scratch memory, at a multiple of 64, that one call of `predict` or `embed` needs, whatever the
  // batch.
  std::size_t scratch_bytes() const noexcept;

  // windows (batch, channels, window) float32, finite -> predictions (batch, n_predictions): the outputs, or
  // of a distribution its median and its standard deviation. Never fails, allocates, locks or throws.
  void predict(const float* windows, std::size_t batch, float* predictions, void* scratch) const noexcept;

  // windows (batch, channels, window) -> outputs (batch, n_outputs): those of `predict`, or the probability
  // of each bin where those are a distribution's median and deviation.
  void outputs(const float* windows, std::size_t batch, float* outputs, void* scratch) const noexcept;

  // windows (batch, channels, window) -> hidden states of the last layer (batch, tokens, d_model): of every
  // token (gpt) or patch (streamgpt), the hidden units (mlp), the mean over time (papagei, tcn). Not for
  // linear models.
  void embed(const float* windows, std::size_t batch, float* hidden, void* scratch) const noexcept;

  // A model that takes a signal patch by patch has a state for each signal: so many bytes, at a multiple of
  // 64, all zero at its start. A streamgpt takes any number of patches, a gpt whose input is not scaled the
  // n_patches of one window. 0 for the others, which have whole windows only.
  std::size_t state_bytes() const noexcept;

  // The next patches (count, patch) of the signal that `state` belongs to. Any cut leaves the same bits.
  void extend(void* state, const float* patches, std::size_t count, void* scratch) const noexcept;

  // The outputs (n_outputs) for the last n_patches of the signal, which must be there.
  void answer(const void* state, float* outputs, void* scratch) const noexcept;

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace ppgfast
