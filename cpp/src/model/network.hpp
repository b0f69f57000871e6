// What every architecture offers to Model.
#pragma once

#include <cstddef>

#include "format/reader.hpp"
#include "model/pack.hpp"
#include "ppgfast/model.hpp"

namespace ppgfast {

// A network is loaded in steps, so that all checks come before the one large allocation: `allocate` takes
// what its shape needs, `read` checks every tensor, `pack` that measures tells the size, `pack` that fills a
// block writes it; then the file may go. One that was packed before needs no `read`.
class Network {
 public:
  virtual ~Network() = default;

  virtual Error allocate() noexcept { return Error(); }
  virtual Error read(const format::File& file) noexcept = 0;
  virtual std::size_t pack(Carver carver) noexcept = 0;  // returns floats

  // Little memory instead of speed: no pass works on more than one window.
  void work_on_single_windows() noexcept { rows_per_pass_ = 1; }
  virtual std::size_t windows_per_pass() const noexcept = 0;
  virtual std::size_t scratch() const noexcept = 0;  // floats, for windows_per_pass() windows
  virtual std::size_t tokens() const noexcept = 0;
  // Of one window, in linear layers and convolutions.
  virtual std::size_t multiply_adds() const noexcept = 0;

  // Consecutive samples of one channel in the windows that `forward` takes, before those of the next channel
  // follow: a patch, or 1 where time comes first.
  virtual std::size_t samples_together() const noexcept = 0;

  // scaled windows (count, window * channels), count <= windows_per_pass() -> raw outputs (count, n_outputs)
  // and, unless null, hidden states (count, tokens, d_model). `outputs` may be null too.
  virtual void forward(const float* windows, std::size_t count, float* outputs, float* hidden,
                       float* scratch) const noexcept = 0;

  // Of a network that takes a signal patch by patch: floats of what it keeps of one, all zero before the
  // first patch; 0 for a network that takes whole windows only. Signals of a gpt end with the window.
  virtual std::size_t state() const noexcept { return 0; }
  // The next `count` patches of the signal, and the raw outputs for the last n_patches, which must be there.
  virtual void extend(float*, const float*, std::size_t, float*) const noexcept {}
  virtual void answer(const float*, float*, float*) const noexcept {}

 protected:
  // Rows of activations worked on at once: enough to pay for streaming the weights, few enough to stay in L2.
  std::size_t rows_per_pass_ = 128;
};

}  // namespace ppgfast
