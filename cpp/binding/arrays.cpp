#include "arrays.hpp"

#include <algorithm>
#include <cmath>
#include <exception>
#include <system_error>
#include <thread>
#include <vector>

namespace py = pybind11;

namespace ppgfast::binding {

std::string shape_text(const py::array& array) {
  std::string text = "(";
  for (py::ssize_t i = 0; i < array.ndim(); ++i) {
    text += std::to_string(array.shape(i)) + (i + 1 < array.ndim() ? ", " : array.ndim() == 1 ? ",)" : "");
  }
  return array.ndim() == 1 ? text : text + ")";
}

std::string element_text(const py::array& array, const char* name, py::ssize_t i) {
  const float value = static_cast<const float*>(array.data())[i];
  std::string index;
  for (py::ssize_t axis = array.ndim() - 1; axis >= 0; --axis) {
    index = std::to_string(i % array.shape(axis)) + (index.empty() ? "" : ", ") + index;
    i /= array.shape(axis);
  }
  const char* const is = std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
  return std::string(name) + "[" + index + "] is " + is;
}

void check_float32(const py::handle& object, const char* name) {
  if (!py::isinstance<py::array>(object)) {
    throw py::type_error(
        std::string(name) + " is a " + py::cast<std::string>(py::type::of(object).attr("__name__")) +
        ", expected a numpy array of float32: pass np.asarray(" + name + ", dtype=np.float32)");
  }
  if (py::hasattr(object, "mask")) {
    throw py::type_error(std::string(name) + " is a masked array, expected a plain one: pass " + name +
                         ".filled(np.nan)");
  }
  const auto array = py::reinterpret_borrow<py::array>(object);
  if (!array.dtype().is(py::dtype::of<float>()) && !array.dtype().equal(py::dtype::of<float>())) {
    throw py::type_error(std::string(name) + " has dtype " + py::cast<std::string>(py::str(array.dtype())) +
                         ", expected float32: convert it once with " + name + ".astype(np.float32)");
  }
  constexpr int wanted = py::array::c_style | py::detail::npy_api::NPY_ARRAY_ALIGNED_;
  if ((array.flags() & wanted) != wanted) {
    throw py::value_error(std::string(name) + " is not contiguous in memory: pass np.ascontiguousarray(" +
                          name + ")");
  }
}

std::size_t check_threads(py::ssize_t threads) {
  if (threads >= 1 && threads <= 1024) return static_cast<std::size_t>(threads);
  throw py::value_error("threads is " + std::to_string(threads) +
                        ", expected 1 to 1024: pass the number of cores to use");
}

Block allocate(std::size_t bytes) { return Block(::operator new(bytes, std::align_val_t{64})); }

void split(std::size_t batch, std::size_t threads,
           const std::function<void(std::size_t, std::size_t)>& part) {
  threads = std::min(threads, batch);
  std::vector<std::exception_ptr> failures(threads);  // an exception must not leave a thread
  const auto run = [&](std::size_t t) {
    try {
      part(batch * t / threads, batch * (t + 1) / threads);
    } catch (...) {
      failures[t] = std::current_exception();
    }
  };
  std::vector<std::thread> others;
  others.reserve(threads);
  for (std::size_t t = 1; t < threads; ++t) {
    try {
      others.emplace_back(run, t);
    } catch (const std::system_error&) {
      run(t);  // the system gives no more threads: the work is done all the same
    }
  }
  run(0);
  for (std::thread& other : others) other.join();
  for (const std::exception_ptr& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
}

}  // namespace ppgfast::binding
