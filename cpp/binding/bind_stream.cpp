#include <atomic>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "arrays.hpp"
#include "binding.hpp"
#include "ppgfast/stream.hpp"

namespace py = pybind11;

namespace ppgfast::binding {
namespace {

std::string number_text(double x) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.10g", x);
  return text;
}

// What a stream could not be made with, as ValueError with both numbers.
void refuse(const Error& error) {
  if (!error) return;
  if (error.status == Status::out_of_memory) throw std::bad_alloc();
  throw py::value_error(std::string(error.name) + " is " + number_text(error.found) + ", the bound is " +
                        number_text(error.limit) + ": " + status_found(error.status) + ": " +
                        status_fix(error.status));
}

double rate_of(const py::object& rate, const char* name) {
  if (rate.is_none()) {
    throw py::type_error(std::string(name) + " is missing: state the rate of the samples in Hz, as in " +
                         name + "=64");
  }
  const double value = PyFloat_AsDouble(rate.ptr());
  if (value == -1.0 && PyErr_Occurred() != nullptr) throw py::error_already_set();
  return value;
}

// Refuses what was not passed by one of the names that `method` has.
void check_names(const char* method, const py::args& args, const py::kwargs& others, const char* names) {
  if (!args.empty()) {
    throw py::type_error(std::string(method) + " was given " + py::cast<std::string>(py::repr(args[0])) +
                         " without a name: pass sampling_rate= in Hz, and every option by its name");
  }
  for (const auto& [name, value] : others) {
    throw py::type_error(std::string(method) + " has no option '" + py::cast<std::string>(name) +
                         "', expected " + names);
  }
}

void check_samples(const py::handle& object) {
  check_float32(object, "samples");
  const auto samples = py::reinterpret_borrow<py::array>(object);
  if (samples.ndim() != 1) {
    throw py::value_error("samples has shape " + shape_text(samples) + ", expected (n,): pass one signal");
  }
}

void check_acc(const py::object& object, bool needed) {
  if (!needed) {
    if (object.is_none()) return;
    throw py::value_error("acc is given, and this model does not take the accelerometer: leave it out");
  }
  if (object.is_none()) {
    throw py::value_error(
        "acc is missing: this model takes the accelerometer, pass (n, 3) float32 in g for the time of "
        "samples");
  }
  check_float32(object, "acc");
  const auto acc = py::reinterpret_borrow<py::array>(object);
  if (acc.ndim() != 2 || acc.shape(1) != 3) {
    throw py::value_error("acc has shape " + shape_text(acc) + ", expected (n, 3): x, y and z in g");
  }
}

constexpr int not_seconds = 16;  // steps in a row that are far too long: no gaps, but another unit

// What to say of time stamps that rise by `step` from each sample to the next.
std::string unit_text(double step, double rate) {
  std::string text = "timestamps rise by about " + number_text(step) +
                     " from each sample to the next, expected " + number_text(1.0 / rate) +
                     " s at sampling_rate=" + number_text(rate) + ": give them in seconds";
  for (const auto& [unit, per_second] :
       {std::pair{"milliseconds", 1e3}, {"microseconds", 1e6}, {"nanoseconds", 1e9}}) {
    const double ratio = step * rate / per_second;
    if (ratio > 0.2 && ratio < 5.0) {
      text += std::string("; these seem to be ") + unit + ": divide by " + number_text(per_second);
    }
  }
  return text;
}

// One stream, its memory and its model; one thread at a time may be in it.
class SharedStream {
 public:
  SharedStream(const py::object& model, const StreamConfig& config)
      : model_(model), channels_(model_of(model).config().channels) {
    std::size_t bytes = 0;
    refuse(Stream::arena_bytes(model_of(model), config, &bytes));
    arena_ = allocate(bytes);
    refuse(Stream::init(model_of(model), config, arena_.get(), bytes, &stream_));
    bytes_ = bytes;
  }

  py::list push(const py::object& samples, const py::object& acc, const py::object& timestamps) {
    const Alone alone(*this);
    check_samples(samples);
    check_acc(acc, channels_ > 1);
    Chunk chunk;
    const auto ppg = py::reinterpret_borrow<py::array>(samples);
    chunk.ppg = static_cast<const float*>(ppg.data());
    chunk.n = static_cast<std::size_t>(ppg.size());
    if (channels_ > 1) {
      const auto array = py::reinterpret_borrow<py::array>(acc);
      chunk.acc = static_cast<const float*>(array.data());
      chunk.n_acc = static_cast<std::size_t>(array.shape(0));
    }
    chunk.times = check_timestamps(timestamps, chunk.n);
    if (!warn_of_rate()) throw py::error_already_set();
    if (chunk.times != nullptr && chunk.n > 0) last_time_ = chunk.times[chunk.n - 1];

    std::vector<StreamResult> results;
    {
      const py::gil_scoped_release unlocked;
      StreamResult result;
      while (stream_->push(&chunk, &result)) results.push_back(result);
    }
    py::list list = listed(results);
    if (!warn_of_rate()) {
      PyErr_Clear();
      warned_ = false;
    }
    return list;
  }

  void reset() {
    const Alone alone(*this);
    stream_->reset();
    last_time_ = -std::numeric_limits<double>::infinity();
    far_ = 0;
    warned_ = false;
  }

  double sampling_rate() const { return stream_->config().sampling_rate; }
  double latency() const { return stream_->latency(); }
  py::object measured_rate() {
    const Alone alone(*this);
    const double rate = stream_->measured_rate();
    return rate > 0.0 ? py::object(py::float_(rate)) : py::none();
  }
  std::size_t bytes() const { return bytes_; }

 private:
  // Holds the stream for one call.
  class Alone {
   public:
    explicit Alone(SharedStream& stream) : busy_(stream.busy_) {
      if (busy_.exchange(true)) {
        throw std::runtime_error(
            "another thread is in this stream: give each signal its own stream, and each stream one thread");
      }
    }
    ~Alone() { busy_ = false; }
    Alone(const Alone&) = delete;
    Alone& operator=(const Alone&) = delete;

   private:
    std::atomic<bool>& busy_;
  };

  const double* check_timestamps(const py::object& object, std::size_t n) {
    if (stream_->config().timestamped == 0) {
      if (object.is_none()) return nullptr;
      throw py::value_error(
          "timestamps are given, and the stream was made without: pass timestamps=True to stream()");
    }
    if (!py::isinstance<py::array_t<double, py::array::c_style>>(object)) {
      throw py::type_error(
          "timestamps must be a contiguous array of float64, in s, since the stream was made with "
          "timestamps=True: pass np.asarray(timestamps, dtype=np.float64)");
    }
    const auto times = py::reinterpret_borrow<py::array>(object);
    if (times.ndim() != 1 || static_cast<std::size_t>(times.size()) != n) {
      throw py::value_error("timestamps has shape " + shape_text(times) + ", expected (" + std::to_string(n) +
                            ",): one for each of samples");
    }
    const double* const t = static_cast<const double*>(times.data());
    double before = last_time_;
    int far = far_;
    for (std::size_t i = 0; i < n; before = t[i++]) {
      const double step = std::isfinite(before) ? t[i] - before : 0.0;
      if (step != 0.0) far = step > 100.0 / sampling_rate() ? far + 1 : 0;
      if (far == not_seconds) throw py::value_error(unit_text(step, sampling_rate()));
      if (t[i] >= before && std::isfinite(t[i])) continue;
      throw py::value_error(
          "timestamps[" + std::to_string(i) + "] is " + number_text(t[i]) + ", the one before " +
          number_text(before) +
          ": expected seconds that do not run backwards: sort the packets, or reset() the stream");
    }
    far_ = far;
    return t;
  }

  // False where warnings are errors: it is raised before any sample of a push is taken, so that no result is
  // lost; one that is due after the samples waits for the next push.
  bool warn_of_rate() {
    const double measured = stream_->measured_rate(), stated = sampling_rate();
    if (warned_ || measured == 0.0 || std::fabs(measured / stated - 1.0) <= 0.01) return true;
    const std::string text = "the time stamps run at " + number_text(std::round(measured * 100.0) / 100.0) +
                             " Hz, sampling_rate is " + number_text(stated) +
                             " Hz: the stream follows the time stamps; correct the one that is wrong";
    warned_ = true;
    return PyErr_WarnEx(PyExc_UserWarning, text.c_str(), 1) == 0;
  }

  static py::list listed(const std::vector<StreamResult>& results) {
    const py::object make = py::module_::import("ppgfast.stream").attr("StreamResult");
    py::list list(results.size());
    for (std::size_t i = 0; i < results.size(); ++i) {
      const StreamResult& r = results[i];
      list[i] = make(r.t_start, r.t_end, r.sample, r.hr_bpm, r.hr_std, r.af_probability, r.quality,
                     r.reason == Reason::ok, reason_name(r.reason));
    }
    return list;
  }

  const py::object model_;
  const std::uint32_t channels_;
  Block arena_;
  std::size_t bytes_ = 0;
  Stream* stream_ = nullptr;
  std::atomic<bool> busy_{false};
  double last_time_ = -std::numeric_limits<double>::infinity();
  int far_ = 0;  // steps of time in a row, each of more than 100 samples
  bool warned_ = false;
};

void set_range(const py::object& range, const char* name, double* low, double* high) {
  if (range.is_none()) return;
  if (!py::isinstance<py::sequence>(range) || py::len(range) != 2) {
    throw py::type_error(std::string(name) + " is " + py::cast<std::string>(py::repr(range)) +
                         ", expected (low, high) in units of the samples");
  }
  *low = py::cast<double>(range[py::int_(0)]);
  *high = py::cast<double>(range[py::int_(1)]);
}

std::unique_ptr<SharedStream> make_stream(const py::object& model, const py::args& args,
                                          const py::object& sampling_rate, const py::object& acc_rate,
                                          const py::object& hop, const py::object& clip,
                                          const py::object& worn, const py::object& min_quality,
                                          double max_hr_std, bool track, bool both_ways, bool timestamps,
                                          double jitter, std::int64_t first_sample,
                                          const py::kwargs& others) {
  check_names(
      "stream()", args, others,
      "sampling_rate, acc_rate, hop, clip, worn, min_quality, max_hr_std, track, both_ways, timestamps, "
      "jitter or first_sample");
  StreamConfig config;
  config.sampling_rate = rate_of(sampling_rate, "sampling_rate");
  if (model_of(model).config().channels > 1) {
    config.acc_rate = rate_of(acc_rate, "acc_rate");
  } else if (!acc_rate.is_none()) {
    throw py::value_error("acc_rate is " + py::cast<std::string>(py::repr(acc_rate)) +
                          ", and this model does not take the accelerometer: leave it out, or load a model "
                          "with four channels");
  }
  if (!hop.is_none()) {
    config.hop = py::cast<double>(hop);
    if (config.hop == 0.0) throw py::value_error("hop is 0 s: state the time between results, or None");
  }
  set_range(clip, "clip", &config.clip_low, &config.clip_high);
  set_range(worn, "worn", &config.worn_low, &config.worn_high);
  if (!min_quality.is_none()) {
    config.min_quality = py::cast<double>(min_quality);
    if (config.min_quality < 0.0) refuse(refusal(Status::bad_limits, config.min_quality, 0.0, "min_quality"));
  }
  config.max_hr_std = max_hr_std;
  config.track = track ? 1 : 0;
  config.both_ways = both_ways ? 1 : 0;
  config.timestamped = timestamps ? 1 : 0;
  config.jitter = jitter;
  config.first_sample = first_sample;
  return std::make_unique<SharedStream>(model, config);
}

py::array prepare_samples(const py::object& model, const py::object& samples, const py::args& args,
                          const py::object& sampling_rate, const py::kwargs& others) {
  check_names("prepare()", args, others, "sampling_rate");
  const double rate = rate_of(sampling_rate, "sampling_rate");
  check_samples(samples);
  const auto array = py::reinterpret_borrow<py::array>(samples);
  const float* const x = static_cast<const float*>(array.data());
  for (py::ssize_t i = 0; i < array.size(); ++i) {
    if (std::isfinite(x[i])) continue;
    throw py::value_error(element_text(array, "samples", i) +
                          ", expected finite samples: cut the recording at its gaps, or use a stream");
  }
  const Model& of = model_of(model);
  const auto n = static_cast<std::size_t>(array.size());
  std::vector<float> out(rate > 0.0 ? prepared_length(of, rate, n) : 0);
  std::size_t n_out = 0;
  {
    const py::gil_scoped_release unlocked;
    const Error error = prepare(of, rate, x, n, out.data(), &n_out);
    const py::gil_scoped_acquire locked;
    refuse(error);
  }
  return py::array_t<float>(static_cast<py::ssize_t>(n_out), out.data());
}

constexpr const char* stream_doc = R"(Start a stream: samples as a sensor sends them, a result every hop.

Parameters
----------
sampling_rate : of the PPG, Hz, 20 to 500.
acc_rate : of the accelerometer, Hz, 10 to 500; for models that take it.
hop : time between results, s; None is the model's own.
clip : (low, high), the limits of the sensor in units of the samples: a sample at one is ``clipped``.
worn : (low, high), the raw level of a worn sensor: a sample outside is ``off_wrist``.
min_quality : 0 to 1; results of less ``quality`` are ``low_confidence``. None is 0.3 for hr and 0.1 for af, where
    the rhythm itself does not repeat.
max_hr_std : bpm; results that are less certain are ``low_confidence``, where the model tells.
track : whether answers follow the windows before them, where the model gives distributions (``Model.track``).
both_ways : whether each window is filtered backwards too, as the windows of training are; for models with a band-pass
    that see a whole window at a time. Errors are smaller (docs/streaming.md); windows are no longer those of `prepare`.
timestamps : True if every push brings time stamps, which the stream then follows.
jitter : s; a time stamp further from where it was due is a gap.
first_sample : number of the first sample.

Raises
------
TypeError, ValueError
    if a rate is missing or a number is out of its range; it names the number and the bound.)";

constexpr const char* prepare_doc = R"(The signal that windows of this model are cut from.

Parameters
----------
samples : (n,) float32, finite, as recorded.
sampling_rate : Hz, 20 to 500.

Returns
-------
float32 (m,) at ``info["input"]["sampling_rate"]``, band-passed as the model asks, causally: bit for bit what a stream
of these samples gives to the model. The first period of the band's lower edge still settles.

Raises
------
TypeError, ValueError
    for samples of another type, shape or layout, or not finite, and for a rate out of range.)";

constexpr const char* push_doc = R"(Take samples; return the results that are due.

Parameters
----------
samples : (n,) float32, any n, NaN where a sample is missing.
acc : (k, 3) float32 in g, those of the same time; for models that take the accelerometer, which wait for it.
timestamps : (n,) float64, s; if the stream was made with ``timestamps=True``.

Returns
-------
list of ``ppgfast.stream.StreamResult``. Any cut of a signal into pushes gives the same results, bit for bit.

Raises
------
TypeError, ValueError
    for arrays of another type or shape, and for time that runs backwards; no sample is taken then.
RuntimeError
    if another thread is in this stream.)";

}  // namespace

void bind_stream(py::module_& module) {
  py::class_<SharedStream>(module, "Stream", "One signal through one model. See Model.stream.")
      .def("push", &SharedStream::push, py::arg("samples"), py::arg("acc") = py::none(),
           py::arg("timestamps") = py::none(), push_doc)
      .def("reset", &SharedStream::reset, "Forget all samples: the stream is as new.")
      .def_property_readonly("sampling_rate", &SharedStream::sampling_rate, "As stated, Hz.")
      .def_property_readonly("measured_rate", &SharedStream::measured_rate,
                             "What the time stamps show, Hz; None before 20 s of them.")
      .def_property_readonly("latency", &SharedStream::latency,
                             "From the last sample of a window to its result, s.")
      .def_property_readonly("nbytes", &SharedStream::bytes, "Memory of the stream.");

  const py::object model = module.attr("Model");
  model.attr("stream") = py::cpp_function(
      &make_stream, py::name("stream"), py::is_method(model), py::arg("sampling_rate") = py::none(),
      py::arg("acc_rate") = py::none(), py::arg("hop") = py::none(), py::arg("clip") = py::none(),
      py::arg("worn") = py::none(), py::arg("min_quality") = py::none(),
      py::arg("max_hr_std") = StreamConfig().max_hr_std, py::arg("track") = true,
      py::arg("both_ways") = false, py::arg("timestamps") = false, py::arg("jitter") = StreamConfig().jitter,
      py::arg("first_sample") = 0, stream_doc);
  model.attr("prepare") =
      py::cpp_function(&prepare_samples, py::name("prepare"), py::is_method(model), py::arg("samples"),
                       py::arg("sampling_rate") = py::none(), prepare_doc);
}

}  // namespace ppgfast::binding
