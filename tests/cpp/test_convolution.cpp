// A convolution is what its definition says, for every shape, whatever lies between the windows.
#include <cmath>
#include <random>
#include <vector>

#include "check.hpp"
#include "kernel_cases.hpp"
#include "model/convolution.hpp"

namespace {

using namespace ppgfast;
using kernel_cases::Guarded;
using kernels::Epilogue;

// One convolution with random weights, its tensors as a file holds them.
struct Case {
  Case(const ConvolutionShape& s, unsigned seed) : shape(s), convolution(s) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    const std::size_t columns = convolution.columns();
    for (std::size_t i = 0; i < s.outputs * columns; ++i) {
      weight.push_back(normal(random));
      q.push_back(static_cast<std::int8_t>(static_cast<int>(random() % 129) - 64));
    }
    for (std::size_t n = 0; n < s.outputs; ++n) {
      bias.push_back(normal(random));
      scale.push_back(0.01f + std::fabs(normal(random)));
    }
    tensors.weight = TensorF32(reinterpret_cast<const unsigned char*>(weight.data()));
    tensors.bias = TensorF32(reinterpret_cast<const unsigned char*>(bias.data()));
    tensors.scale = TensorF32(reinterpret_cast<const unsigned char*>(scale.data()));
    tensors.s8 = q.data();
    tensors.columns = columns;
  }

  // The inputs of one position of one window (length, channels): zero outside it.
  std::vector<float> inputs(const std::vector<float>& window, std::size_t position) const {
    const auto length = static_cast<long>(shape.length), stride = static_cast<long>(shape.stride);
    const long wanted =
        (static_cast<long>(convolution.positions()) - 1) * stride + static_cast<long>(shape.kernel);
    const long before = std::max(0L, wanted - length) / 2;
    std::vector<float> x;
    for (std::size_t tap = 0; tap < shape.kernel; ++tap) {
      const long row = static_cast<long>(position) * stride - before + static_cast<long>(tap);
      for (std::size_t c = 0; c < shape.channels; ++c) {
        const bool inside = row >= 0 && row < length;
        x.push_back(inside ? window[static_cast<std::size_t>(row) * shape.channels + c] : 0.0f);
      }
    }
    return x;
  }

  float f32(const std::vector<float>& x, std::size_t n) const {
    float sum = bias[n];
    for (std::size_t k = 0; k < x.size(); ++k) sum = std::fmaf(x[k], weight[n * x.size() + k], sum);
    return sum;
  }

  float s8(const std::vector<float>& x, std::size_t n) const {
    float largest = 0.0f;
    for (const float value : x) largest = std::max(largest, std::fabs(value));
    const bool usable = largest > kernels::quantize_lowest;
    const float inverse = usable ? 127.0f / largest : 0.0f, step = usable ? largest / 127.0f : 0.0f;
    int sum = 0;
    for (std::size_t k = 0; k < x.size(); ++k) {
      sum += static_cast<int>(std::nearbyint(x[k] * inverse)) * q[n * x.size() + k];
    }
    return std::fmaf(static_cast<float>(sum), step * scale[n], bias[n]);
  }

  ConvolutionShape shape;
  Convolution convolution;
  std::vector<float> weight, bias, scale;
  std::vector<std::int8_t> q;
  LinearTensors tensors;
};

// Runs the convolution on `count` windows in buffers full of NaN and compares every position with the
// definition.
void compare(const kernels::Kernels& table, const Case& c, Precision precision, std::size_t count,
             std::size_t pitch, Epilogue epilogue, unsigned seed) {
  const ConvolutionShape& s = c.shape;
  Convolution convolution = c.convolution;
  const auto row = [&](std::size_t n) { return SourceRow{&c.tensors, n}; };
  Carver measure(nullptr);
  convolution.pack(measure, table, precision, row);
  Guarded block(measure.used());
  Carver carver(block.data());
  convolution.pack(carver, table, precision, row);

  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  const std::size_t x_window = s.stride * pitch * s.width, y_width = kernels::padded(s.outputs);
  const std::size_t margin = kernels::padded(convolution.gap() * s.width),
                    rows = convolution.rows(count, pitch);
  Guarded x(margin + count * x_window), y(rows * y_width);
  std::fill_n(x.data(), margin + count * x_window, NAN);
  std::fill_n(y.data(), rows * y_width, 0.5f);
  std::vector<std::vector<float>> windows(count);
  for (std::size_t b = 0; b < count; ++b) {
    for (std::size_t t = 0; t < s.length; ++t) {
      float* const step = x.data() + margin + b * x_window + t * s.width;
      for (std::size_t i = 0; i < s.width; ++i) step[i] = i < s.channels ? normal(random) : 0.0f;
      windows[b].insert(windows[b].end(), step, step + s.channels);
    }
  }

  Guarded q(rows * kernels::quantized_stride(convolution.k()) / sizeof(float)), q_scale(rows);
  const QuantizedRows quantized{reinterpret_cast<std::uint8_t*>(q.data()), q_scale.data()};
  convolution.surround(x.data() + margin, count, pitch);
  convolution.run(table, x.data() + margin, count, pitch, y.data(), quantized, epilogue);

  bool right = x.intact() && y.intact() && q.intact() && q_scale.intact() && block.intact();
  for (std::size_t b = 0; b < count; ++b) {
    for (std::size_t p = 0; p < convolution.positions(); ++p) {
      const std::vector<float> inputs = c.inputs(windows[b], p);
      for (std::size_t n = 0; n < s.outputs; ++n) {
        float expected = precision == Precision::f32 ? c.f32(inputs, n) : c.s8(inputs, n);
        if (epilogue == Epilogue::residual) expected = 0.5f + expected;
        if (epilogue == Epilogue::relu) expected = std::max(expected, 0.0f);
        right = right && y.data()[(b * pitch + p) * y_width + n] == expected;
      }
    }
  }
  if (!CHECK(right)) {
    std::cout << "  " << table.name << " s8 " << (precision == Precision::s8) << " length " << s.length
              << " channels " << s.channels << " outputs " << s.outputs << " kernel " << s.kernel
              << " stride " << s.stride << " windows " << count << "\n";
  }
}

std::vector<const kernels::Kernels*> all_tables() {
  std::vector<const kernels::Kernels*> all = kernel_cases::tables();
  all.push_back(&kernels::scalar);
  return all;
}

TEST(maps_of_every_length_are_convolved_as_defined) {
  unsigned seed = 0;
  for (const kernels::Kernels* table : all_tables()) {
    for (std::size_t length = 1; length <= 21; ++length) {
      for (std::size_t stride : {1, 2}) {
        const std::size_t channels = 2 + length % 5 * 4, outputs = 1 + length * 3 % 35;
        const Case c({length, channels, kernels::padded(channels), outputs, 3, stride}, ++seed);
        const std::size_t count = 1 + length % 3, pitch = c.convolution.least_pitch() + length % 2;
        for (Precision precision : {Precision::f32, Precision::s8}) {
          compare(*table, c, precision, count, pitch, length % 2 == 0 ? Epilogue::relu : Epilogue::residual,
                  seed);
        }
      }
    }
  }
}

TEST(samples_of_every_length_are_convolved_as_defined) {
  unsigned seed = 100;
  for (const kernels::Kernels* table : all_tables()) {
    for (std::size_t length = 1; length <= 40; ++length) {
      for (std::size_t kernel : {1, 3, 9, 17}) {
        for (std::size_t stride : {1, 4}) {
          const Case c({length, 1, 1, 16, kernel, stride}, ++seed);
          compare(*table, c, Precision::f32, 1 + length % 3, c.convolution.least_pitch(), Epilogue::none,
                  seed);
        }
      }
    }
  }
}

TEST(taps_that_only_meet_padding_are_not_packed) {
  const auto k = [](std::size_t length, std::size_t stride) {
    return Convolution({length, 16, 16, 16, 3, stride}).k() / 16;
  };
  CHECK_EQ(k(1, 1), 1u);
  CHECK_EQ(k(1, 2), 1u);
  CHECK_EQ(k(2, 1), 3u);
  CHECK_EQ(k(2, 2), 2u);
  CHECK_EQ(k(3, 2), 3u);
}

TEST(the_mean_over_time_leaves_nothing_out) {
  const float x[] = {1.0f, 10.0f, 2.0f, 20.0f, 6.0f, 30.0f};
  float mean[2];
  mean_over_time(x, 3, 2, mean);
  CHECK_EQ(mean[0], 3.0f);
  CHECK_EQ(mean[1], 20.0f);
}

}  // namespace
