// What every architecture offers to Model.
#pragma once

#include <cstddef>

#include "format/reader.hpp"
#include "kernels/kernels.hpp"
#include "ppgfast/model.hpp"

namespace ppgfast {

// A network is loaded in three steps, so that all checks come before the one allocation: `read` checks every
// tensor, `pack` with a null block tells the size, `pack` with a block fills it. Afterwards the file may go.
class Network {
 public:
  virtual ~Network() = default;

  virtual Error read(const format::File& file) noexcept = 0;
  virtual std::size_t pack(float* block) noexcept = 0;  // returns floats

  virtual std::size_t windows_per_pass() const noexcept = 0;
  virtual std::size_t scratch() const noexcept = 0;  // floats, for windows_per_pass() windows
  virtual std::size_t tokens() const noexcept = 0;

  // Consecutive samples of one channel in the windows that `forward` takes, before those of the next channel
  // follow: a patch, or 1 where time comes first.
  virtual std::size_t samples_together() const noexcept = 0;

  // scaled windows (count, window * channels), count <= windows_per_pass() -> raw outputs (count, n_outputs)
  // and, unless null, hidden states (count, tokens, d_model). `outputs` may be null too.
  virtual void forward(const float* windows, std::size_t count, float* outputs, float* hidden,
                       float* scratch) const noexcept = 0;
};

// Rows of activations worked on at once: enough to pay for streaming the weights, few enough to stay in L2.
constexpr std::size_t rows_per_pass = 128;

}  // namespace ppgfast
