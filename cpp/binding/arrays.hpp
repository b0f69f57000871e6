// What every topic of the Python face needs: arrays checked, memory for scratch, a batch split over threads.
#pragma once

#include <pybind11/numpy.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <new>
#include <string>

namespace ppgfast::binding {

// "(3, 8, 40)"
std::string shape_text(const pybind11::array& array);

// "windows[3, 17] is nan", for the i-th element of a C-contiguous float32 array.
std::string element_text(const pybind11::array& array, const char* name, pybind11::ssize_t i);

// TypeError or ValueError unless `object` is a C-contiguous array of float32.
void check_float32(const pybind11::handle& object, const char* name);

// `threads` if it is a number of threads, else ValueError.
std::size_t check_threads(pybind11::ssize_t threads);

struct FreeAligned {
  void operator()(void* block) const noexcept { ::operator delete(block, std::align_val_t{64}); }
};
using Block = std::unique_ptr<void, FreeAligned>;

// Memory that starts at a multiple of 64.
Block allocate(std::size_t bytes);

// Calls part(begin, end) for contiguous parts of [0, batch), each on a thread of its own, the first on this
// one. Threads live as long as the call: no pool to keep, to fork with or to shut down. An exception in one
// is thrown when all are done. Call it without the GIL.
void split(std::size_t batch, std::size_t threads, const std::function<void(std::size_t, std::size_t)>& part);

}  // namespace ppgfast::binding
