#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "arrays.hpp"
#include "binding.hpp"
#include "cpu/select.hpp"
#include "losses/losses.hpp"

namespace py = pybind11;

namespace ppgfast::binding {
namespace {

const kernels::Kernels& selected_kernels() {
  static const cpu::Features features = cpu::detect();  // asking the CPU takes longer than a small loss
  const kernels::Kernels* table = nullptr;
  if (const Error error = cpu::select(features, std::getenv("PPGFAST_FORCE_ISA"), &table)) raise(error, "");
  return *table;
}

void check_patches(const py::handle& object, const char* name) {
  check_float32(object, name);
  const auto array = py::reinterpret_borrow<py::array>(object);
  if (array.ndim() != 3) {
    throw py::value_error(std::string(name) + " has shape " + shape_text(array) +
                          ", expected (B, N, d): d numbers for each of N patches of B windows");
  }
  if (array.size() == 0) {
    throw py::value_error(std::string(name) + " has shape " + shape_text(array) +
                          ": it is empty, pass at least one window of one patch");
  }
}

void check_mask(const py::handle& object, const py::array& student) {
  const bool is_array = py::isinstance<py::array>(object);
  const auto mask = py::reinterpret_borrow<py::array>(object);
  if (!is_array || !mask.dtype().equal(py::dtype::of<bool>())) {
    const std::string found = is_array
                                  ? "has dtype " + py::cast<std::string>(py::str(mask.dtype()))
                                  : "is a " + py::cast<std::string>(py::type::of(object).attr("__name__"));
    throw py::type_error("mask " + found +
                         ", expected a numpy array of bool: pass np.asarray(mask, dtype=bool)");
  }
  if (mask.ndim() != 2 || mask.shape(0) != student.shape(0) || mask.shape(1) != student.shape(1)) {
    throw py::value_error("mask has shape " + shape_text(mask) + ", expected (" +
                          std::to_string(student.shape(0)) + ", " + std::to_string(student.shape(1)) +
                          "): one value for each patch of student");
  }
  if ((mask.flags() & py::array::c_style) == 0) {
    throw py::value_error("mask is not contiguous in memory: pass np.ascontiguousarray(mask)");
  }
}

// The arrays as the core takes them; `same_width` is what morphology needs.
losses::Batch checked(const py::object& student, const py::object& teacher, const py::object& mask,
                      bool same_width) {
  check_patches(student, "student");
  check_patches(teacher, "teacher");
  const auto s = py::reinterpret_borrow<py::array>(student), t = py::reinterpret_borrow<py::array>(teacher);
  if (s.shape(0) != t.shape(0) || s.shape(1) != t.shape(1) || (same_width && s.shape(2) != t.shape(2))) {
    throw py::value_error("teacher has shape " + shape_text(t) + ", student " + shape_text(s) +
                          (same_width ? ": expected the same shape, project one into the other's space first"
                                      : ": expected the same windows and patches"));
  }
  losses::Batch batch = {};
  batch.student = static_cast<const float*>(s.data());
  batch.teacher = static_cast<const float*>(t.data());
  batch.windows = static_cast<std::size_t>(s.shape(0));
  batch.patches = static_cast<std::size_t>(s.shape(1));
  batch.student_width = static_cast<std::size_t>(s.shape(2));
  batch.teacher_width = static_cast<std::size_t>(t.shape(2));
  if (!mask.is_none()) {
    check_mask(mask, s);
    batch.mask = static_cast<const std::uint8_t*>(py::reinterpret_borrow<py::array>(mask).data());
  }
  return batch;
}

py::array_t<float> empty_like(const py::object& like) {
  const auto array = py::reinterpret_borrow<py::array>(like);
  return py::array_t<float>(std::vector<py::ssize_t>(array.shape(), array.shape() + array.ndim()));
}

// The mean, summed in the order of the windows whatever thread they were on.
double mean(const std::vector<double>& sums, double count) {
  double total = 0.0;
  for (const double sum : sums) total += sum;
  return count > 0.0 ? total / count : 0.0;
}

// Names the number that made a loss NaN.
[[noreturn]] void refuse(const losses::Batch& batch, const py::object& student, const py::object& teacher) {
  const auto look = [&](const py::object& object, const char* name, std::size_t width) {
    const auto array = py::reinterpret_borrow<py::array>(object);
    const float* x = static_cast<const float*>(array.data());
    for (std::size_t i = 0; i < static_cast<std::size_t>(array.size()); ++i) {
      if (std::isfinite(x[i]) || (batch.mask != nullptr && batch.mask[i / width] == 0)) continue;
      throw py::value_error(element_text(array, name, static_cast<py::ssize_t>(i)) +
                            ", expected finite numbers: mask that patch, or lower the learning rate");
    }
  };
  look(student, "student", batch.student_width);
  look(teacher, "teacher", batch.teacher_width);
  throw py::value_error("student or teacher holds numbers whose squares exceed float32: scale them down");
}

py::tuple morphology(const py::object& student, const py::object& teacher, double temperature,
                     const py::object& mask, py::ssize_t threads, bool teacher_gradient, bool check_finite) {
  const float tau = static_cast<float>(temperature);
  if (!(tau > 0.0f) || !std::isfinite(1.0f / tau) || !std::isfinite(tau)) {
    throw py::value_error("temperature is " + py::cast<std::string>(py::str(py::float_(temperature))) +
                          ", expected a positive number: 0.1, or \"auto\" for 1 / sqrt(d)");
  }
  const std::size_t n_threads = check_threads(threads);
  const losses::Batch batch = checked(student, teacher, mask, true);
  const kernels::Kernels& kernel = selected_kernels();
  py::array_t<float> d_student = empty_like(student);
  py::object d_teacher = py::none();
  std::vector<double> sums(batch.windows);
  losses::Result result = {sums.data(), d_student.mutable_data(), nullptr};
  if (teacher_gradient) {
    py::array_t<float> array = empty_like(teacher);
    result.d_teacher = array.mutable_data();
    d_teacher = std::move(array);
  }
  double value = 0.0;
  {
    const py::gil_scoped_release unlocked;
    const double rows = losses::count(batch).rows;
    split(batch.windows, n_threads, [&](std::size_t begin, std::size_t end) {
      const Block scratch = allocate(losses::morphology_scratch(batch) * sizeof(float));
      losses::morphology(kernel, batch, tau, rows, begin, end, result, static_cast<float*>(scratch.get()));
    });
    value = mean(sums, rows);
  }
  if (check_finite && !std::isfinite(value)) refuse(batch, student, teacher);
  return py::make_tuple(value, d_student, d_teacher);
}

py::tuple rhythm(const py::object& student, const py::object& teacher, const py::object& mask,
                 py::ssize_t threads, bool check_finite) {
  const std::size_t n_threads = check_threads(threads);
  const losses::Batch batch = checked(student, teacher, mask, false);
  const kernels::Kernels& kernel = selected_kernels();
  py::array_t<float> d_student = empty_like(student);
  std::vector<double> sums(batch.windows);
  const losses::Result result = {sums.data(), d_student.mutable_data(), nullptr};
  double value = 0.0;
  {
    const py::gil_scoped_release unlocked;
    const double pairs = losses::count(batch).pairs;
    split(batch.windows, n_threads, [&](std::size_t begin, std::size_t end) {
      const Block scratch = allocate(losses::rhythm_scratch(batch) * sizeof(float));
      losses::rhythm(kernel, batch, pairs, begin, end, result, static_cast<float*>(scratch.get()));
    });
    value = mean(sums, pairs);
  }
  if (check_finite && !std::isfinite(value)) refuse(batch, student, teacher);
  return py::make_tuple(value, d_student);
}

}  // namespace

void bind_losses(py::module_& module) {
  module.def("morphology", &morphology);
  module.def("rhythm", &rhythm);
}

}  // namespace ppgfast::binding
