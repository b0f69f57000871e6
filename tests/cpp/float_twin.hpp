// The float32 twin of an int8 transformer: the same file with each weight times its scale, and norms of one.
#pragma once

#include <cstdint>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "format/crc32.hpp"
#include "format/reader.hpp"
#include "model_files.hpp"

namespace float_twin {

using model_files::Bytes;

template <typename T>
void put(Bytes& file, std::size_t at, const T& value) {
  std::memcpy(file.data() + at, &value, sizeof(value));
}

struct Tensor {
  std::vector<std::uint32_t> dims;
  std::vector<float> values;
};

inline std::map<std::string, Tensor> dequantised(const ppgfast::format::File& file) {
  using ppgfast::format::DType;
  std::map<std::string, Tensor> tensors;
  for (std::uint32_t i = 0; i < file.tensor_count(); ++i) {
    const ppgfast::format::Tensor from = file.tensor(i);
    const std::string name = from.name;
    const std::string stem = name.substr(0, name.rfind('.'));
    Tensor to{{from.dims, from.dims + from.rank}, {}};
    if (from.dtype == DType::i8) {
      ppgfast::format::Tensor scales{};
      if (!file.find((stem + ".scale").c_str(), &scales)) throw std::runtime_error("no scale of " + name);
      for (std::size_t k = 0; k < from.bytes; ++k) {
        float scale;
        std::memcpy(&scale, scales.data + k / from.dims[1] * sizeof(scale), sizeof(scale));
        to.values.push_back(scale * static_cast<float>(reinterpret_cast<const std::int8_t*>(from.data)[k]));
      }
      const std::string layer = stem.substr(0, stem.rfind('.'));  // layer.NN.attention, layer.NN.ffn
      if (stem == layer + ".query" || stem == layer + ".up") {
        tensors[layer + ".norm"] = {{from.dims[1]}, std::vector<float>(from.dims[1], 1.0f)};
      }
    } else if (from.dtype == DType::f32 && name != stem + ".scale" && stem != "selftest") {
      to.values.resize(from.bytes / sizeof(float));
      std::memcpy(to.values.data(), from.data, from.bytes);
    } else {
      continue;
    }
    tensors[name] = to;
  }
  return tensors;
}

// docs/format.md
inline Bytes of(const Bytes& s8) {
  ppgfast::format::File file;
  const model_files::Guarded aligned(s8);
  if (ppgfast::format::File::parse(aligned.data(), s8.size(), &file))
    throw std::runtime_error("no model file");
  const std::map<std::string, Tensor> tensors = dequantised(file);
  const std::size_t configs = file.config_count(), records = 64 + 64 * configs;
  Bytes twin(s8.begin(), s8.begin() + static_cast<std::ptrdiff_t>(records));
  for (std::size_t i = 0; i < configs; ++i) {
    if (std::strcmp(file.config(static_cast<std::uint32_t>(i)).name, "model.precision") == 0) {
      put(twin, 64 + 64 * i + 56, std::int64_t{0});
    }
  }
  twin.resize(records + 96 * tensors.size());
  std::size_t record = records;
  for (const auto& [name, tensor] : tensors) {
    const std::size_t offset = (twin.size() + 63) / 64 * 64, bytes = tensor.values.size() * sizeof(float);
    twin.resize(offset + bytes);
    std::memcpy(twin.data() + offset, tensor.values.data(), bytes);
    std::memcpy(twin.data() + record, name.data(), name.size());
    put(twin, record + 48, static_cast<std::uint8_t>(ppgfast::format::DType::f32));
    put(twin, record + 49, static_cast<std::uint8_t>(tensor.dims.size()));
    for (std::size_t d = 0; d < 4; ++d) {
      put(twin, record + 56 + 4 * d, d < tensor.dims.size() ? tensor.dims[d] : std::uint32_t{1});
    }
    put(twin, record + 72, std::uint64_t{offset});
    put(twin, record + 80, std::uint64_t{bytes});
    record += 96;
  }
  put(twin, 16, std::uint64_t{twin.size()});
  put(twin, 28, static_cast<std::uint32_t>(tensors.size()));
  put(twin, 56, ppgfast::format::crc32(twin.data() + 64, twin.size() - 64));
  put(twin, 60, ppgfast::format::crc32(twin.data(), 60));
  return twin;
}

}  // namespace float_twin
