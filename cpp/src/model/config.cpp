#include "model/config.hpp"

#include <cstring>

#include "model/papagei.hpp"

namespace ppgfast {
namespace {

// Reads values one by one, keeps the first error, and counts what it read: a file may hold nothing else.
class ConfigReader {
 public:
  explicit ConfigReader(const format::File& file) noexcept : file_(file) {}

  std::int64_t integer(const char* name, std::int64_t lowest, std::int64_t highest) noexcept {
    format::Config value;
    if (!find(name, &value)) return lowest;
    if (value.is_float || value.i64 < lowest || value.i64 > highest) {
      fail(Status::bad_config_value, name, value.offset);
      return lowest;
    }
    return value.i64;
  }

  double real(const char* name, double lowest, double highest) noexcept {
    format::Config value;
    if (!find(name, &value)) return lowest;
    if (!value.is_float || !(value.f64 >= lowest && value.f64 <= highest)) {
      fail(Status::bad_config_value, name, value.offset);
      return lowest;
    }
    return value.f64;
  }

  std::uint32_t size(const char* name, std::int64_t lowest, std::int64_t highest) noexcept {
    return static_cast<std::uint32_t>(integer(name, lowest, highest));
  }

  template <typename Enum>
  Enum code(const char* name, Enum last) noexcept {
    return static_cast<Enum>(integer(name, 0, static_cast<std::int64_t>(last)));
  }

  void check(bool good, const char* name) noexcept {
    format::Config value;
    if (!good && file_.find(name, &value)) fail(Status::bad_config_value, name, value.offset);
  }

  // The first error; a value that nobody asked for is one too.
  Error finish() noexcept {
    for (std::uint32_t i = 0; !error_ && i < file_.config_count(); ++i) {
      const format::Config value = file_.config(i);
      bool known = false;
      for (std::size_t j = 0; j < used_count_; ++j) known = known || std::strcmp(used_[j], value.name) == 0;
      if (!known) fail(Status::unknown_config, value.name, value.offset);
    }
    return error_;
  }

  bool failed() const noexcept { return static_cast<bool>(error_); }

 private:
  bool find(const char* name, format::Config* out) noexcept {
    used_[used_count_++] = name;
    if (file_.find(name, out)) return true;
    fail(Status::missing_config, name, 0);
    return false;
  }

  void fail(Status status, const char* name, std::uint64_t offset) noexcept {
    if (!error_) error_ = failure(status, offset, name);
  }

  const format::File& file_;
  Error error_;
  const char* used_[32] = {};
  std::size_t used_count_ = 0;
};

// Bounds far beyond any PPG model, and small enough that no product of them overflows.
constexpr std::int64_t most_outputs = 4096, most_patches = 4096, longest_patch = 16384, widest = 16384,
                       deepest = 99;
constexpr std::int64_t longest_window = 65536;  // of a convolutional model, whose activations are that long
constexpr std::int64_t longest_sum_s8 = 65536;  // inputs of a product: 254 * 127 * 65536 fits into int32
constexpr std::int64_t with_accelerometer = 4;  // channels: PPG, then three axes
constexpr double largest = 1e9;
constexpr Kind last_kind = Kind::streamgpt;

void read_shape(ConfigReader& read, ModelConfig& c) noexcept {
  c.precision = read.code("model.precision", Precision::s8);
  c.n_outputs = read.size("model.n_outputs", 1, most_outputs);
  c.n_patches = read.size("model.n_patches", 1, most_patches);
  c.patch = read.size("model.patch", 1, longest_patch);
  // In s8 two neighbouring inputs are summed as a pair: pairs may not reach from one time step into the next.
  const std::uint32_t pair = c.precision == Precision::s8 ? 2 : 1;
  switch (c.kind) {
    case Kind::linear:
      break;
    case Kind::mlp:
      c.d_model = read.size("model.d_hidden", 1, widest);
      break;
    case Kind::gpt:
      c.d_model = read.size("model.d_model", 4, widest);
      c.n_layers = read.size("model.n_layers", 1, deepest);
      c.n_heads = read.size("model.n_heads", 1, c.d_model / 4);
      // Rotary embedding turns pairs in the first half of a head, so a head's width is a multiple of 4.
      if (!read.failed()) read.check(c.d_model % (4 * c.n_heads) == 0, "model.n_heads");
      break;
    case Kind::papagei: {
      c.base_filters = read.size("model.base_filters", 1, widest);
      c.n_blocks = read.size("model.n_blocks", 1, deepest);
      c.d_classifier = read.size("model.d_classifier", 1, widest);
      read.check(c.base_filters % pair == 0, "model.base_filters");
      const std::uint64_t features = Papagei::channels(c.base_filters, c.n_blocks - 1);
      read.check(features <= widest, "model.n_blocks");
      c.d_model = static_cast<std::uint32_t>(features);
      break;
    }
    case Kind::tcn:
      c.d_model = read.size("model.d_model", 1, widest);
      c.n_blocks = read.size("model.n_blocks", 1, deepest);
      read.check(c.d_model % pair == 0, "model.d_model");
      break;
    case Kind::streamgpt:
      c.d_model = read.size("model.d_model", 2, widest);
      c.n_layers = read.size("model.n_layers", 1, deepest);
      c.n_heads = read.size("model.n_heads", 1, c.d_model / 2);
      c.reach = read.size("model.reach", 1, most_patches);
      if (!read.failed()) read.check(c.d_model % (2 * c.n_heads) == 0, "model.n_heads");
      break;
  }
}

void read_contract(ConfigReader& read, ModelConfig& c) noexcept {
  const std::int64_t samples = std::int64_t{c.n_patches} * c.patch;
  c.sampling_rate = read.real("input.sampling_rate", 0.0, 1e6);
  c.window = read.size("input.window", samples, samples);
  const bool one_product = c.kind == Kind::linear || c.kind == Kind::mlp;  // takes the whole window
  read.check(!one_product || c.precision == Precision::f32 || samples <= longest_sum_s8, "input.window");
  const bool convolves = c.kind == Kind::papagei || c.kind == Kind::tcn;
  read.check(!convolves || samples <= longest_window, "input.window");
  c.hop = read.size("input.hop", 0, std::int64_t{1} << 31);
  const bool streams = c.kind == Kind::streamgpt;  // answers at the end of a patch, and scales it
  read.check(!streams || c.hop % c.patch == 0, "input.hop");
  c.channels = read.size("input.channels", 1, with_accelerometer);
  const bool mixes = c.kind == Kind::gpt || c.kind == Kind::tcn;  // takes several channels
  read.check(c.channels == 1 || (c.channels == with_accelerometer && mixes), "input.channels");
  c.polarity = read.integer("input.polarity", -1, 1);
  read.check(c.polarity != 0, "input.polarity");
  c.scaling = read.code("input.scaling", Scaling::zscore);
  read.check(!streams || c.scaling == Scaling::none, "input.scaling");
  c.filter_low = read.real("input.filter_low", 0.0, 1e6);
  c.filter_high = read.real("input.filter_high", 0.0, 1e6);
  c.filter_order = read.size("input.filter_order", 0, 16);

  c.task = read.code("output.task", Task::af);
  c.units = read.code("output.units", Units::probability);
  c.mean = read.real("output.mean", -largest, largest);
  c.std = read.real("output.std", -largest, largest);
  read.check(c.std > 0.0, "output.std");
  c.activation = read.code("output.activation", Activation::distribution);
  read.check(c.activation != Activation::distribution || c.n_outputs >= 2, "output.activation");
}

}  // namespace

Error read_config(const format::File& file, ModelConfig* out) noexcept {
  ModelConfig c;
  ConfigReader read(file);
  format::Config kind;
  if (file.find("model.kind", &kind) && !kind.is_float &&
      (kind.i64 < 0 || kind.i64 > static_cast<std::int64_t>(last_kind))) {
    return failure(Status::unknown_model_kind, kind.offset, "model.kind");
  }
  c.kind = read.code("model.kind", last_kind);
  if (!read.failed()) read_shape(read, c);
  if (!read.failed()) read_contract(read, c);
  const Error error = read.finish();
  if (!error) *out = c;
  return error;
}

}  // namespace ppgfast
