// A whole recording through the chain of a stream.
#include "cpu/memory.hpp"
#include "ppgfast/stream.hpp"
#include "stream/chain.hpp"
#include "stream/checks.hpp"

namespace ppgfast {

std::size_t prepared_length(const Model& model, double sampling_rate, std::size_t n) noexcept {
  return static_cast<std::size_t>(static_cast<double>(n) * model.config().sampling_rate / sampling_rate) + 1;
}

Error prepare(const Model& model, double sampling_rate, const float* ppg, std::size_t n, float* out,
              std::size_t* n_out) noexcept {
  using namespace stream;
  const ModelConfig& m = model.config();
  if (const Error error = check(m, sampling_rate)) return error;
  Chain chain;
  Arena sizes(nullptr);
  sizes.take<float>(Lowpass::floats);
  chain.init(m, sampling_rate, false, 0, nullptr, sizes);
  const cpu::Block block = cpu::allocate(sizes.used());
  if (!block) return failure(Status::out_of_memory);
  Arena arena(block.get());
  float* const table = arena.take<float>(Lowpass::floats);
  Lowpass::design(table);
  chain.init(m, sampling_rate, false, 0, table, arena);

  std::size_t done = 0;
  if (n > 0) chain.restart(ppg[0]);
  for (std::size_t i = 0; i < n; ++i) {
    chain.push(ppg[i]);
    while (chain.ready()) out[done++] = chain.pull();
  }
  *n_out = done;
  return Error();
}

}  // namespace ppgfast
