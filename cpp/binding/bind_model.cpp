#include <pybind11/numpy.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "arrays.hpp"
#include "binding.hpp"
#include "model/pack.hpp"
#include "model/scaling.hpp"
#include "ppgfast/model.hpp"
#include "stream/tracker.hpp"

namespace py = pybind11;

namespace ppgfast::binding {
namespace {

// A model and the scratch blocks of the calls that run at the same time: one each, kept for the next call.
class SharedModel {
  Block file_;

 public:
  // `file` is kept where the model's weights lie in it; `from` and `forced` are what it was opened with.
  SharedModel(Model opened, py::object from, const char* forced, Block file = nullptr)
      : file_(std::move(file)), model(std::move(opened)), source(std::move(from)), isa(py::cast(forced)) {}

  Block take_scratch() {
    const std::lock_guard<std::mutex> guard(mutex_);
    if (idle_.empty()) return allocate(model.scratch_bytes());
    Block block = std::move(idle_.back());
    idle_.pop_back();
    return block;
  }
  void return_scratch(Block block) {
    const std::lock_guard<std::mutex> guard(mutex_);
    idle_.push_back(std::move(block));
  }

  const Model model;
  const py::object source;  // the path as str, or the bytes
  const py::object isa;     // str, or None for the fastest

 private:
  std::mutex mutex_;
  std::vector<Block> idle_;
};

// What one window of this model is, for messages.
std::string window_text(const ModelConfig& c) {
  std::string text = std::to_string(c.window) + " samples";
  if (c.sampling_rate > 0.0) {
    char seconds[64];
    std::snprintf(seconds, sizeof(seconds), " (%g s at %g Hz)", c.window / c.sampling_rate, c.sampling_rate);
    text += seconds;
  }
  if (c.channels > 1) text += " of PPG and of the accelerometer's x, y and z";
  return text;
}

void check_finite(const py::array& windows, const char* name = "windows") {
  const float* x = static_cast<const float*>(windows.data());
  const py::ssize_t n = windows.size();
  // One pass over the exponents without a branch, which vectorises: sums of floats wait for one another.
  constexpr std::uint32_t exponent = 0x7F800000u;
  std::uint32_t found = 0;
  for (py::ssize_t i = 0; i < n; ++i) {
    std::uint32_t bits;
    std::memcpy(&bits, x + i, sizeof(bits));
    found |= (bits & exponent) == exponent ? 1u : 0u;
  }
  if (found == 0) return;

  py::ssize_t i = 0;
  while (std::isfinite(x[i])) ++i;
  throw py::value_error(
      element_text(windows, name, i) +
      ", expected finite samples: drop windows with missing samples or fill the gaps first");
}

// Checks `windows` and returns the size of the batch; a single window, (L,) or (C, L), counts as one.
std::size_t check_windows(const ModelConfig& c, const py::handle& object) {
  check_float32(object, "windows");
  const auto windows = py::reinterpret_borrow<py::array>(object);
  const py::ssize_t window = c.window, n = windows.ndim(), single = c.channels == 1 ? 1 : 2;
  const auto ends_with = [&](py::ssize_t a, py::ssize_t b) {
    return n >= 2 && windows.shape(n - 2) == a && windows.shape(n - 1) == b;
  };
  const bool fits = c.channels == 1 ? (n <= 2 && n > 0 && windows.shape(n - 1) == window) ||
                                          (n == 3 && ends_with(c.n_patches, c.patch))
                                    : n <= 3 && ends_with(c.channels, window);
  if (!fits) {
    const std::string L = std::to_string(c.window), C = std::to_string(c.channels);
    const std::string patches = "(B, " + std::to_string(c.n_patches) + ", " + std::to_string(c.patch) + ")";
    throw py::value_error("windows has shape " + shape_text(windows) + ", expected " +
                          (c.channels == 1 ? "(" + L + ",), (B, " + L + ") or " + patches
                                           : "(" + C + ", " + L + ") or (B, " + C + ", " + L + ")") +
                          ": one window of this model is " + window_text(c) +
                          "; cut or resample the signal, never pad or stretch it");
  }
  if (n > single && windows.shape(0) == 0) {
    throw py::value_error("windows has shape " + shape_text(windows) +
                          ": the batch is empty, pass at least one window");
  }
  check_finite(windows);
  return n == single ? 1 : static_cast<std::size_t>(windows.shape(0));
}

void check_out(const py::handle& object, const std::vector<py::ssize_t>& shape, const py::array& windows) {
  check_float32(object, "out");
  const auto out = py::reinterpret_borrow<py::array>(object);
  if (out.ndim() != static_cast<py::ssize_t>(shape.size()) ||
      !std::equal(shape.begin(), shape.end(), out.shape())) {
    throw py::value_error("out has shape " + shape_text(out) + ", expected " +
                          shape_text(py::array_t<float>(shape)));
  }
  if (!out.writeable()) throw py::value_error("out is read-only: pass an array that may be written");
  const char* const a = static_cast<const char*>(out.data());
  const char* const b = static_cast<const char*>(windows.data());
  if (a < b + windows.nbytes() && b < a + out.nbytes()) {
    throw py::value_error("out shares memory with windows: pass an array of its own");
  }
}

using Run = void (Model::*)(const float*, std::size_t, float*, void*) const noexcept;

// Rows do not depend on their batch, so the bits do not depend on the cut.
void run(SharedModel& shared, Run method, const py::array& windows, std::size_t batch, float* out,
         std::size_t out_row, std::size_t threads) {
  const float* x = static_cast<const float*>(windows.data());
  const std::size_t window = std::size_t{shared.model.config().channels} * shared.model.config().window;
  const py::gil_scoped_release unlocked;
  split(batch, threads, [&](std::size_t begin, std::size_t end) {
    Block scratch = shared.take_scratch();
    (shared.model.*method)(x + begin * window, end - begin, out + begin * out_row, scratch.get());
    shared.return_scratch(std::move(scratch));
  });
}

// The shape of a result: one row, or one for each window of a batch.
std::vector<py::ssize_t> shape_of(const ModelConfig& c, const py::array& windows) {
  const bool is_batch = windows.ndim() > (c.channels == 1 ? 1 : 2);
  return is_batch ? std::vector<py::ssize_t>{windows.shape(0)} : std::vector<py::ssize_t>{};
}

py::array predict(SharedModel& shared, const py::object& windows, const py::object& out,
                  py::ssize_t threads) {
  const std::size_t n_threads = check_threads(threads);
  const ModelConfig& c = shared.model.config();
  const std::size_t batch = check_windows(c, windows);
  const auto array = py::reinterpret_borrow<py::array>(windows);
  std::vector<py::ssize_t> shape = shape_of(c, array);
  shape.push_back(c.n_predictions());

  if (!out.is_none()) check_out(out, shape, array);
  py::array result = out.is_none() ? py::array_t<float>(shape) : py::reinterpret_borrow<py::array>(out);
  run(shared, &Model::predict, array, batch, static_cast<float*>(result.mutable_data()), c.n_predictions(),
      n_threads);
  return result;
}

void check_answers_with_distribution(const ModelConfig& c) {
  if (c.activation == Activation::distribution) return;
  throw py::value_error("this model answers with numbers, not with a distribution over bins: use predict");
}

py::array distribution(SharedModel& shared, const py::object& windows, py::ssize_t threads) {
  const std::size_t n_threads = check_threads(threads);
  const ModelConfig& c = shared.model.config();
  check_answers_with_distribution(c);
  const std::size_t batch = check_windows(c, windows);
  const auto array = py::reinterpret_borrow<py::array>(windows);
  std::vector<py::ssize_t> shape = shape_of(c, array);
  shape.push_back(c.n_outputs);

  py::array_t<float> result(shape);
  run(shared, &Model::outputs, array, batch, result.mutable_data(), c.n_outputs, n_threads);
  return result;
}

py::array track(const SharedModel& shared, const py::object& distributions, double hop) {
  const ModelConfig& c = shared.model.config();
  check_answers_with_distribution(c);
  check_float32(distributions, "distribution");
  const auto array = py::reinterpret_borrow<py::array>(distributions);
  if (array.ndim() != 2 || array.shape(1) != c.n_outputs) {
    throw py::value_error("distribution has shape " + shape_text(array) + ", expected (windows, " +
                          std::to_string(c.n_outputs) + "): pass what Model.distribution returned");
  }
  if (!(hop > 0.0 && hop <= 3600.0)) {
    throw py::value_error("hop is " + py::cast<std::string>(py::str(py::float_(hop))) +
                          ", expected seconds from one window to the next, above 0 and up to 3600");
  }
  const std::size_t bins = c.n_outputs, windows = static_cast<std::size_t>(array.shape(0));
  py::array_t<float> result({array.shape(0), py::ssize_t{2}});
  const float* const p = static_cast<const float*>(array.data());
  float* const out = result.mutable_data();
  std::vector<double> memory(stream::Tracker::memory(bins));
  std::vector<float> belief(bins);

  const py::gil_scoped_release unlocked;
  stream::Tracker tracker;
  tracker.init(bins, c.std, hop, memory.data());
  for (std::size_t i = 0; i < windows; ++i) {
    const float* const row = p + i * bins;
    const bool tells =
        std::all_of(row, row + bins, [](float value) { return value >= 0.0f && value <= 1.0f; });
    tracker.push(tells ? row : nullptr, belief.data());
    summarize(c, belief.data(), out + 2 * i);
  }
  return std::move(result);
}

py::array embed(SharedModel& shared, const py::object& windows, py::ssize_t threads) {
  const std::size_t n_threads = check_threads(threads);
  const ModelConfig& c = shared.model.config();
  if (shared.model.tokens() == 0) throw py::value_error("a linear model has no hidden states: use predict");
  const std::size_t batch = check_windows(c, windows);
  const auto array = py::reinterpret_borrow<py::array>(windows);
  std::vector<py::ssize_t> shape = shape_of(c, array);
  shape.push_back(static_cast<py::ssize_t>(shared.model.tokens()));
  shape.push_back(c.d_model);

  py::array_t<float> result(shape);
  run(shared, &Model::embed, array, batch, result.mutable_data(), shared.model.tokens() * c.d_model,
      n_threads);
  return result;
}

// Patches between answers, of a hop in seconds or None; ValueError if it is no whole number of them.
std::size_t hop_patches(const ModelConfig& c, const py::object& hop) {
  if (hop.is_none()) return std::max<std::size_t>(1, (c.hop > 0 ? c.hop : c.window) / c.patch);
  if (!PyNumber_Check(hop.ptr())) {
    throw py::type_error("hop is a " + py::cast<std::string>(py::type::of(hop).attr("__name__")) +
                         ", expected a number of seconds");
  }
  const double patches = py::cast<double>(py::float_(hop)) * c.sampling_rate / c.patch;
  if (!(patches >= 1.0 && patches < 1e9) || std::fabs(patches - std::round(patches)) > 1e-6) {
    throw py::value_error("hop is " + py::cast<std::string>(py::str(hop)) +
                          " s, expected a multiple of a patch: " + std::to_string(c.patch) + " samples at " +
                          py::cast<std::string>(py::str(py::float_(c.sampling_rate))) + " Hz");
  }
  return static_cast<std::size_t>(std::round(patches));
}

py::array predict_sequence(SharedModel& shared, const py::object& samples, const py::object& hop,
                           bool distribution) {
  const Model& model = shared.model;
  const ModelConfig& c = model.config();
  if (c.kind != Kind::streamgpt) {
    throw py::value_error("this model has whole windows only: cut the signal into windows and use predict");
  }
  if (distribution) check_answers_with_distribution(c);
  check_float32(samples, "samples");
  const auto array = py::reinterpret_borrow<py::array>(samples);
  if (array.ndim() != 1 || array.shape(0) < c.window) {
    throw py::value_error("samples has shape " + shape_text(array) + ", expected (n,) with at least " +
                          window_text(c));
  }
  check_finite(array, "samples");
  const std::size_t step = hop_patches(c, hop);
  const std::size_t patches = static_cast<std::size_t>(array.shape(0)) / c.patch;
  const std::size_t answers = (patches - c.n_patches) / step + 1;
  const std::size_t width = distribution ? c.n_outputs : c.n_predictions();
  py::array_t<float> result({static_cast<py::ssize_t>(answers), static_cast<py::ssize_t>(width)});
  const float* const x = static_cast<const float*>(array.data());
  float* const out = result.mutable_data();

  const py::gil_scoped_release unlocked;
  const Block state = allocate(model.state_bytes());
  std::memset(state.get(), 0, model.state_bytes());
  Block scratch = shared.take_scratch();
  std::vector<float> outputs(c.n_outputs);
  for (std::size_t i = 0, done = 0; i < answers; ++i) {
    const std::size_t end = c.n_patches + i * step;
    model.extend(state.get(), x + done * c.patch, end - done, scratch.get());
    done = end;
    model.answer(state.get(), outputs.data(), scratch.get());
    float* const row = out + i * width;
    if (c.activation == Activation::distribution && !distribution) {
      summarize(c, outputs.data(), row);
    } else {
      std::copy(outputs.begin(), outputs.end(), row);
    }
  }
  shared.return_scratch(std::move(scratch));
  return std::move(result);
}

template <typename Enum, std::size_t n>
const char* spelled(const char* const (&names)[n], Enum value) {
  return names[static_cast<std::size_t>(value)];
}

py::dict info(const SharedModel& shared) {
  static const char* const kinds[] = {"linear", "mlp", "gpt", "papagei", "tcn", "streamgpt"};
  static const char* const precisions[] = {"f32", "s8"};
  static const char* const scalings[] = {"none", "minmax", "zscore"};
  static const char* const tasks[] = {"none", "hr", "af"};
  static const char* const units[] = {"none", "bpm", "probability"};
  static const char* const activations[] = {"none", "softmax", "distribution"};
  const Model& model = shared.model;
  const ModelConfig& c = model.config();
  using namespace py::literals;

  py::dict shape("n_outputs"_a = c.n_outputs, "n_patches"_a = c.n_patches, "patch"_a = c.patch);
  if (c.kind != Kind::linear) shape["d_model"] = c.d_model;
  if (c.kind == Kind::streamgpt) shape["reach"] = c.reach;
  if (c.kind == Kind::gpt || c.kind == Kind::streamgpt) {
    shape["n_layers"] = c.n_layers;
    shape["n_heads"] = c.n_heads;
  }
  if (c.kind == Kind::papagei || c.kind == Kind::tcn) shape["n_blocks"] = c.n_blocks;
  if (c.kind == Kind::papagei) {
    shape["base_filters"] = c.base_filters;
    shape["d_classifier"] = c.d_classifier;
  }
  py::object filter = py::none();
  if (c.filter_order > 0) filter = py::make_tuple(c.filter_low, c.filter_high, c.filter_order);
  const py::dict input("sampling_rate"_a = c.sampling_rate, "window"_a = c.window, "channels"_a = c.channels,
                       "hop"_a = c.hop, "polarity"_a = c.polarity, "scaling"_a = spelled(scalings, c.scaling),
                       "filter"_a = filter);
  const py::dict output("task"_a = spelled(tasks, c.task), "units"_a = spelled(units, c.units),
                        "mean"_a = c.mean, "std"_a = c.std,
                        "activation"_a = spelled(activations, c.activation));
  const std::size_t n = std::strlen(model.note());
  const py::object note = py::bytes(model.note(), n).attr("decode")("utf-8", "replace");
  return py::dict("kind"_a = spelled(kinds, c.kind), "precision"_a = spelled(precisions, c.precision),
                  "shape"_a = shape, "input"_a = input, "output"_a = output,
                  "parameters"_a = model.parameters(), "multiply_adds"_a = model.multiply_adds(),
                  "weight_bytes"_a = model.weight_bytes(), "scratch_bytes"_a = model.scratch_bytes(),
                  "isa"_a = model.isa(), "note"_a = note);
}

constexpr const char* predict_doc = R"(Run the model.

Parameters
----------
windows : C-contiguous float32 array, (L,), (B, L) or (B, N, P) with L = N * P samples at the model's sampling rate,
    band-passed as ``info["input"]["filter"]`` says, not scaled: the model scales. A model with 4 channels takes
    (4, L) or (B, 4, L): the PPG, then the accelerometer's x, y and z in g, not filtered.
out : C-contiguous float32 array of the result's shape to write into, or None.
threads : how many threads share the batch; the result has the same bits for any number.

Returns
-------
float32 array (C,) for one window, else (B, C), in ``info["output"]["units"]``. Of a model whose activation is
"distribution" C = 2: the distribution's median and its standard deviation. The same bits on every CPU, alone or in
any batch. The GIL is released; one model may be used from any number of threads.

Raises
------
TypeError, ValueError
    for an array of another type, shape or layout, an empty batch, and samples that are not finite.)";

constexpr const char* distribution_doc = R"(Return the probability of each bin.

Parameters
----------
windows, threads : as for `predict`.

Returns
-------
float32 array (K,) for one window, else (B, K), rows that add up to 1. Bin k stands for mean + std * k of
``info["output"]``, and reaches half a std to both sides.

Raises
------
TypeError, ValueError
    as `predict`, and for a model whose activation is not "distribution".)";

constexpr const char* track_doc =
    R"(Follow the quantity from window to window: each answer knows the windows before it, none after it.

Parameters
----------
distribution : C-contiguous float32 array (n, K), consecutive windows of one recording as `distribution` returned them.
    A row that is no distribution (NaN where a window is missing) tells nothing: the belief only spreads.
hop : seconds from one window to the next.

Returns
-------
float32 array (n, 2): median and standard deviation of the belief, as `predict` gives them for one window.

Raises
------
TypeError, ValueError
    for an array of another type or shape, a hop that is not above 0, and as `distribution`.

Source
------
The forward filter of a hidden Markov model, docs in ``cpp/src/stream/tracker.hpp``.)";

constexpr const char* embed_doc = R"(Return the hidden states of the last layer.

Parameters
----------
windows, threads : as for `predict`.

Returns
-------
float32 array (T, d) for one window, else (B, T, d). For a gpt T = N + 1, the first row being the SEP token;
for a streamgpt T = N, else T = 1: the hidden units of an mlp, the mean over time of a papagei or tcn.

Raises
------
TypeError, ValueError
    as `predict`, and for a linear model, which has none.)";

constexpr const char* predict_sequence_doc =
    R"(Run a model that takes a signal patch by patch over a whole one.

An answer knows the samples before its window, as in a stream: give one unbroken signal, not windows.

Parameters
----------
samples : C-contiguous float32 array (n,) at the model's sampling rate, filtered as for `predict`; `prepare` makes it
    of raw samples. A stream begins when its filter has settled: its answers are those of
    ``signal[round(results[0].t_start * rate):]``, results being those with an answer.
hop : seconds between answers, a multiple of a patch; None is the model's own.
distribution : True returns the probability of each bin instead, as `distribution` does.

Returns
-------
float32 array (answers, C), as `predict` gives them, or (answers, K): the first at the end of the first whole window, then every hop.

Raises
------
TypeError, ValueError
    as `predict` and `distribution`, for a signal shorter than a window, and for a model that has whole windows only.)";

// The bytes at a multiple of 64.
Block copy_of(const py::bytes& bytes, std::size_t* size) {
  char* data = nullptr;
  py::ssize_t n = 0;
  if (PyBytes_AsStringAndSize(bytes.ptr(), &data, &n) != 0) throw py::error_already_set();
  *size = static_cast<std::size_t>(n);
  Block aligned = allocate(*size + 1);
  std::memcpy(aligned.get(), data, *size);
  return aligned;
}

}  // namespace

const Model& model_of(const py::handle& object) { return py::cast<const SharedModel&>(object).model; }

void bind_model(py::module_& module) {
  py::class_<SharedModel>(module, "Model",
                          "A PPG model: immutable, shared by any number of threads. See ppgfast.load.")
      .def("predict", &predict, py::arg("windows"), py::kw_only(), py::arg("out") = py::none(),
           py::arg("threads") = 1, predict_doc)
      .def("distribution", &distribution, py::arg("windows"), py::kw_only(), py::arg("threads") = 1,
           distribution_doc)
      .def("track", &track, py::arg("distribution"), py::kw_only(), py::arg("hop"), track_doc)
      .def("predict_sequence", &predict_sequence, py::arg("samples"), py::kw_only(),
           py::arg("hop") = py::none(), py::arg("distribution") = false, predict_sequence_doc)
      .def("embed", &embed, py::arg("windows"), py::kw_only(), py::arg("threads") = 1, embed_doc)
      .def_property_readonly("info", &info, "What the file says about itself, as a dict of plain values.")
      .def("__copy__", [](const py::object& self) { return self; })  // it never changes
      .def("__deepcopy__", [](const py::object& self, const py::dict&) { return self; })
      .def("__reduce__",
           [](const py::object& self) { return py::module_::import("ppgfast.model").attr("reduced")(self); })
      .def("__repr__", [](const SharedModel& shared) {
        const py::dict d = info(shared);
        return py::str("<ppgfast.Model {} task={} window={} isa={}>")
            .format(d["kind"], d["output"]["task"], d["input"]["window"], d["isa"]);
      });

  module.def("open_file", [](const std::string& path, const char* isa) {
    Model model;
    Error error;
    {
      const py::gil_scoped_release unlocked;
      error = Model::open_file(path.c_str(), isa, &model);
    }
    if (error) raise(error, path);
    const py::object whole = py::module_::import("os.path").attr("abspath")(path);
    return std::make_unique<SharedModel>(std::move(model), whole, isa);
  });
  module.def("open_bytes", [](const py::bytes& bytes, const char* isa) {
    std::size_t size = 0;
    const Block aligned = copy_of(bytes, &size);
    Model model;
    if (const Error error = Model::open_memory(aligned.get(), size, isa, &model)) {
      raise(error, "<bytes>");
    }
    return std::make_unique<SharedModel>(std::move(model), bytes, isa);
  });
  module.def("open_in_place", [](const py::bytes& bytes, const char* isa) {
    std::size_t size = 0;
    Block aligned = copy_of(bytes, &size);
    Model model;
    if (const Error error = Model::open_in_place(aligned.get(), size, isa, &model)) {
      raise(error, "<bytes>");
    }
    return std::make_unique<SharedModel>(std::move(model), bytes, isa, std::move(aligned));
  });
  module.def("source", [](const SharedModel& shared) { return py::make_tuple(shared.source, shared.isa); });
  module.def("packed_weights", [](const SharedModel& shared) {
    return py::bytes(static_cast<const char*>(shared.model.weights()), shared.model.weight_bytes());
  });
  module.attr("packed_layout") = packed_layout;
}

}  // namespace ppgfast::binding
