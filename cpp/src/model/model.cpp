#include "ppgfast/model.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "cpu/memory.hpp"
#include "cpu/select.hpp"
#include "format/reader.hpp"
#include "model/config.hpp"
#include "model/gpt.hpp"
#include "model/mlp.hpp"
#include "model/papagei.hpp"
#include "model/scaling.hpp"
#include "model/streamgpt.hpp"
#include "model/tcn.hpp"
#include "model/weights.hpp"

namespace ppgfast {

struct Model::Impl {
  ModelConfig config;
  const kernels::Kernels* kernel = nullptr;
  std::unique_ptr<Network> network;
  cpu::Block owned;  // the packed weights, unless they lie in the file
  const void* weights = nullptr;
  std::size_t weight_bytes = 0;
  std::size_t parameters = 0;  // not known of a packed file
  std::unique_ptr<char[]> note;

  // Scratch: scaled windows of one pass, outputs of one pass if they are not what is asked for, then the
  // network's own.
  bool as_they_come() const noexcept { return config.scaling == Scaling::none && config.channels == 1; }
  std::size_t scaled_floats() const noexcept {
    return as_they_come() ? 0
                          : kernels::padded(network->windows_per_pass() * config.channels * config.window);
  }
  std::size_t output_floats() const noexcept {
    return config.activation == Activation::distribution
               ? kernels::padded(network->windows_per_pass() * config.n_outputs)
               : 0;
  }
  float* network_scratch(void* scratch) const noexcept {
    return static_cast<float*>(scratch) + scaled_floats() + output_floats();
  }

  // What is not null is written: outputs (batch, n_outputs), their summary (batch, n_predictions), hidden.
  Error begin(const void* bytes, std::size_t size, const char* isa, format::File* file) noexcept;
  void run(const float* windows, std::size_t batch, float* outputs, float* summary, float* hidden,
           void* scratch) const noexcept;
};

namespace {

#if defined(PPGFAST_SMALL_DEVICE)  // the one kind that its flash holds
constexpr bool is_built(Kind kind) noexcept { return kind == Kind::PPGFAST_SMALL_DEVICE; }
#else
constexpr bool is_built(Kind) noexcept { return true; }
#endif

template <typename T>
Network* make(const ModelConfig& config, const kernels::Kernels& kernel) noexcept {
  return new (std::nothrow) T(config, kernel);
}

std::unique_ptr<Network> make_network(const ModelConfig& config, const kernels::Kernels& kernel) noexcept {
  Network* network = nullptr;
  if constexpr (is_built(Kind::gpt)) {
    if (config.kind == Kind::gpt) network = make<Gpt>(config, kernel);
  }
  if constexpr (is_built(Kind::tcn)) {
    if (config.kind == Kind::tcn) network = make<Tcn>(config, kernel);
  }
  if constexpr (is_built(Kind::mlp)) {
    if (config.kind == Kind::linear || config.kind == Kind::mlp) network = make<Mlp>(config, kernel);
  }
  if constexpr (is_built(Kind::papagei)) {
    if (config.kind == Kind::papagei) network = make<Papagei>(config, kernel);
  }
  if constexpr (is_built(Kind::streamgpt)) {
    if (config.kind == Kind::streamgpt) network = make<StreamGpt>(config, kernel);
  }
  return std::unique_ptr<Network>(network);
}

std::unique_ptr<char[]> read_note(const format::File& file) noexcept {
  format::Tensor tensor;
  const bool has_note = file.find("note", &tensor) && tensor.dtype == format::DType::u8;
  const std::size_t n = has_note ? static_cast<std::size_t>(tensor.bytes) : 0;
  std::unique_ptr<char[]> note(new (std::nothrow) char[n + 1]);
  if (note) {
    if (n > 0) std::memcpy(note.get(), tensor.data, n);
    note[n] = '\0';
  }
  return note;
}

std::size_t count_parameters(const format::File& file) noexcept {
  std::size_t count = 0;
  for (std::uint32_t i = 0; i < file.tensor_count(); ++i) {
    const format::Tensor tensor = file.tensor(i);
    if (is_optional(tensor.name)) continue;
    count += std::size_t{tensor.dims[0]} * tensor.dims[1] * tensor.dims[2] * tensor.dims[3];
  }
  return count;
}

// Name of the table whose packed weights `kernel` reads: its own, or scalar's where they are the same.
const char* packed_for(const kernels::Kernels& kernel) noexcept {
  const kernels::Kernels& plain = kernels::scalar;
  const bool same = kernel.layout.nr == plain.layout.nr && kernel.layout.kr == plain.layout.kr &&
                    kernel.layout_s8.nr == plain.layout_s8.nr && kernel.layout_s8.kr == plain.layout_s8.kr &&
                    kernel.activation_offset == plain.activation_offset;
  return same ? plain.name : kernel.name;
}

// Whether `name` is packed.<isa>.<layout>.
bool is_packed(const char* name, const char* isa) noexcept {
  const std::size_t n = std::strlen(isa);
  return std::strncmp(name, "packed.", 7) == 0 && std::strncmp(name + 7, isa, n) == 0 && name[7 + n] == '.' &&
         std::strcmp(name + 8 + n, packed_layout) == 0;
}

// The one tensor of a packed file that takes part in a prediction; no data if there is none, or others.
format::Tensor find_packed(const format::File& file, const char* isa) noexcept {
  format::Tensor found{};
  for (std::uint32_t i = 0; i < file.tensor_count(); ++i) {
    const format::Tensor tensor = file.tensor(i);
    if (is_optional(tensor.name)) continue;
    if (!is_packed(tensor.name, isa)) return {};
    found = tensor;
  }
  return found;
}

}  // namespace

Model::Model() noexcept = default;
Model::~Model() = default;
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;

// What both ways of opening begin with.
Error Model::Impl::begin(const void* bytes, std::size_t size, const char* isa, format::File* file) noexcept {
  if (const Error error = cpu::select(cpu::detect(), isa, &kernel)) return error;
  if (const Error error = format::File::parse(bytes, size, file)) return error;
  if (const Error error = read_config(*file, &config)) return error;
  if (!is_built(config.kind)) return failure(Status::unknown_model_kind, 0, "model.kind");
  network = make_network(config, *kernel);
  note = read_note(*file);
  return network && note ? Error() : failure(Status::out_of_memory);
}

Error Model::open_memory(const void* bytes, std::size_t size, const char* isa, Model* out) noexcept {
  std::unique_ptr<Impl> impl(new (std::nothrow) Impl);
  if (!impl) return failure(Status::out_of_memory);
  if (isa == nullptr) isa = std::getenv("PPGFAST_FORCE_ISA");
  format::File file;
  if (const Error error = impl->begin(bytes, size, isa, &file)) return error;
  if (const Error error = impl->network->allocate()) return error;
  if (const Error error = impl->network->read(file)) return error;

  impl->weight_bytes = impl->network->pack(Carver(nullptr)) * sizeof(float);
  impl->owned = cpu::allocate(impl->weight_bytes);
  if (!impl->owned) return failure(Status::out_of_memory);
  impl->network->pack(Carver(static_cast<float*>(impl->owned.get())));
  impl->weights = impl->owned.get();
  impl->parameters = count_parameters(file);

  out->impl_ = std::move(impl);
  return Error();
}

Error Model::open_in_place(const void* bytes, std::size_t size, const char* isa, Model* out) noexcept {
  std::unique_ptr<Impl> impl(new (std::nothrow) Impl);
  if (!impl) return failure(Status::out_of_memory);
  format::File file;
  if (const Error error = impl->begin(bytes, size, isa, &file)) return error;
  impl->network->work_on_single_windows();
  if (const Error error = impl->network->allocate()) return error;

  const format::Tensor packed = find_packed(file, packed_for(*impl->kernel));
  if (packed.data == nullptr) return failure(Status::not_packed, 0, "packed");
  impl->weight_bytes = impl->network->pack(Carver(nullptr)) * sizeof(float);
  if (packed.dtype != format::DType::u8 || packed.bytes != impl->weight_bytes) {
    return failure(Status::wrong_tensor_shape, packed.offset, packed.name);
  }
  impl->network->pack(Carver::adopt(packed.data));
  impl->weights = packed.data;

  out->impl_ = std::move(impl);
  return Error();
}

const ModelConfig& Model::config() const noexcept { return impl_->config; }
const char* Model::isa() const noexcept { return impl_->kernel->name; }
std::size_t Model::tokens() const noexcept { return impl_->network->tokens(); }
std::size_t Model::parameters() const noexcept { return impl_->parameters; }
std::size_t Model::multiply_adds() const noexcept { return impl_->network->multiply_adds(); }
std::size_t Model::weight_bytes() const noexcept { return impl_->weight_bytes; }
const void* Model::weights() const noexcept { return impl_->weights; }
const char* Model::note() const noexcept { return impl_->note.get(); }
std::size_t Model::scratch_bytes() const noexcept {
  return (impl_->scaled_floats() + impl_->output_floats() + kernels::padded(impl_->network->scratch())) *
         sizeof(float);
}

void Model::Impl::run(const float* windows, std::size_t batch, float* outputs, float* summary, float* hidden,
                      void* scratch) const noexcept {
  float* const scaled = static_cast<float*>(scratch);
  float* const unseen = scaled + scaled_floats();
  float* const rest = network_scratch(scratch);
  const std::size_t per_pass = network->windows_per_pass(), n = config.n_outputs;
  const std::size_t window = std::size_t{config.channels} * config.window;

  for (std::size_t done = 0; done < batch; done += per_pass) {
    const std::size_t count = std::min(per_pass, batch - done);
    const float* x = windows + done * window;
    if (!as_they_come()) {
      for (std::size_t b = 0; b < count; ++b)
        scale_window(config, x + b * window, network->samples_together(), scaled + b * window);
      x = scaled;
    }
    float* const y = outputs != nullptr ? outputs + done * n : summary != nullptr ? unseen : nullptr;
    float* const h = hidden == nullptr ? nullptr : hidden + done * network->tokens() * config.d_model;
    network->forward(x, count, y, h, rest);
    for (std::size_t b = 0; y != nullptr && b < count; ++b) {
      finish_outputs(config, y + b * n);
      if (summary != nullptr) summarize(config, y + b * n, summary + (done + b) * config.n_predictions());
    }
  }
}

void Model::predict(const float* windows, std::size_t batch, float* predictions,
                    void* scratch) const noexcept {
  const bool summarized = impl_->config.activation == Activation::distribution;
  impl_->run(windows, batch, summarized ? nullptr : predictions, summarized ? predictions : nullptr, nullptr,
             scratch);
}

void Model::outputs(const float* windows, std::size_t batch, float* outputs, void* scratch) const noexcept {
  impl_->run(windows, batch, outputs, nullptr, nullptr, scratch);
}

std::size_t Model::state_bytes() const noexcept { return impl_->network->state() * sizeof(float); }

void Model::extend(void* state, const float* patches, std::size_t count, void* scratch) const noexcept {
  impl_->network->extend(static_cast<float*>(state), patches, count, impl_->network_scratch(scratch));
}

void Model::answer(const void* state, float* outputs, void* scratch) const noexcept {
  impl_->network->answer(static_cast<const float*>(state), outputs, impl_->network_scratch(scratch));
  finish_outputs(impl_->config, outputs);
}

void Model::embed(const float* windows, std::size_t batch, float* hidden, void* scratch) const noexcept {
  impl_->run(windows, batch, nullptr, nullptr, hidden, scratch);
}

}  // namespace ppgfast
