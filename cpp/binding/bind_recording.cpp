#include <pybind11/numpy.h>

#include <algorithm>
#include <cmath>
#include <new>
#include <string>
#include <vector>

#include "arrays.hpp"
#include "binding.hpp"
#include "ppgfast/model.hpp"
#include "stream/band_pass.hpp"
#include "stream/recording.hpp"
#include "stream/tracker.hpp"

namespace py = pybind11;

namespace ppgfast::binding {
namespace {

// The array (n,) of finite float32.
py::array checked(const py::object& object, const char* name) {
  check_float32(object, name);
  const auto array = py::reinterpret_borrow<py::array>(object);
  if (array.ndim() != 1) {
    throw py::value_error(std::string(name) + " has shape " + shape_text(array) + ", expected (n,)");
  }
  const float* const x = static_cast<const float*>(array.data());
  for (py::ssize_t i = 0; i < array.size(); ++i) {
    if (std::isfinite(x[i])) continue;
    throw py::value_error(element_text(array, name, i) + ", expected finite samples: bridge the gaps first");
  }
  return array;
}

void check_rate(double rate, const char* name) {
  if (rate >= 1.0 && rate <= 1e5) return;
  throw py::value_error(std::string(name) + " is " + py::cast<std::string>(py::str(py::float_(rate))) +
                        ", expected 1 to 100000 Hz");
}

py::array resample(const py::object& samples, double rate_in, double rate_out) {
  check_rate(rate_in, "rate_in");
  check_rate(rate_out, "rate_out");
  const py::array array = checked(samples, "samples");
  const auto n = static_cast<std::size_t>(array.size());
  py::array_t<float> result(static_cast<py::ssize_t>(stream::resampled_length(rate_in, rate_out, n)));
  const float* const x = static_cast<const float*>(array.data());
  float* const out = result.mutable_data();
  bool done = false;
  {
    const py::gil_scoped_release unlocked;
    done = stream::resample(x, n, rate_in, rate_out, out);
  }
  if (!done) throw std::bad_alloc();
  return std::move(result);
}

py::array band_pass(const py::object& samples, double rate, double low, double high, std::uint32_t order) {
  check_rate(rate, "rate");
  if (!(low > 0.0 && low < high && high < rate / 2.0) || order < 1 ||
      order > stream::BandPass::highest_order) {
    throw py::value_error("the band must lie inside 0 to rate / 2 Hz, the order be 1 to " +
                          std::to_string(stream::BandPass::highest_order));
  }
  const py::array array = checked(samples, "samples");
  const auto n = static_cast<std::size_t>(array.size());
  py::array_t<float> result(array.size());
  const float* const x = static_cast<const float*>(array.data());
  float* const out = result.mutable_data();
  bool done = false;
  {
    const py::gil_scoped_release unlocked;
    done = stream::band_pass(x, n, rate, low, high, order, out);
  }
  if (!done) throw std::bad_alloc();
  return std::move(result);
}

// The tracker's belief after each window, of which Model.track tells median and deviation alone.
py::array beliefs(const py::object& model, const py::object& distributions, double hop) {
  const ModelConfig& c = model_of(model).config();
  check_float32(distributions, "distribution");
  const auto array = py::reinterpret_borrow<py::array>(distributions);
  if (c.activation != Activation::distribution || array.ndim() != 2 || array.shape(1) != c.n_outputs) {
    throw py::value_error("distribution has shape " + shape_text(array) +
                          ", expected what Model.distribution of this model returned");
  }
  if (!(hop > 0.0)) throw py::value_error("hop is not above 0 s");
  const std::size_t bins = c.n_outputs, windows = static_cast<std::size_t>(array.shape(0));
  py::array_t<float> result({array.shape(0), array.shape(1)});
  const float* const p = static_cast<const float*>(array.data());
  float* const out = result.mutable_data();
  std::vector<double> memory(stream::Tracker::memory(bins));
  const py::gil_scoped_release unlocked;
  stream::Tracker tracker;
  tracker.init(bins, c.std, hop, memory.data());
  for (std::size_t i = 0; i < windows; ++i) {
    const float* const row = p + i * bins;
    const bool tells = std::all_of(row, row + bins, [](float v) { return v >= 0.0f && v <= 1.0f; });
    tracker.push(tells ? row : nullptr, out + i * bins);
  }
  return std::move(result);
}

}  // namespace

void bind_recording(py::module_& module) {
  module.def("resample", &resample, py::arg("samples"), py::arg("rate_in"), py::arg("rate_out"));
  module.def("band_pass", &band_pass, py::arg("samples"), py::arg("rate"), py::arg("low"), py::arg("high"),
             py::arg("order"));
  module.def("beliefs", &beliefs, py::arg("model"), py::arg("distribution"), py::arg("hop"));
}

}  // namespace ppgfast::binding
