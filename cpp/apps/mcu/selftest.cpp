// A model in flash, held to the bits that it carries: opens it, runs its test windows with every table of
// kernels, counts what that took.
#include <cstring>

#include "cpu/select.hpp"
#include "format/reader.hpp"
#include "memory.hpp"
#include "ppgfast/model.hpp"
#include "startup.h"

// MODEL_HEADER, MODEL (its array), SCRATCH_BYTES, MODEL_BYTES and BOARD_MHZ come from the build.
#include MODEL_HEADER

namespace {

alignas(64) unsigned char scratch[SCRATCH_BYTES];
alignas(8) unsigned char arena[MODEL_BYTES];

void tell(const char* what, uint32_t number) {
  write_text(what);
  write_text(" ");
  write_number(number);
  write_text("\n");
}

int fail(const char* why) {
  write_text(why);
  write_text("\n");
  return 1;
}

// The stored windows with one table of kernels: the stored answers, bit for bit.
int test(const char* isa) {
  using namespace ppgfast;
  give_arena(arena, sizeof(arena));
  Model model;
  if (const Error error = Model::open_in_place(MODEL, sizeof(MODEL), isa, &model)) {
    return fail(status_name(error.status));
  }
  if (model.scratch_bytes() > sizeof(scratch)) return fail("the header states too little scratch memory");

  format::File file;
  format::Tensor input, output;
  if (format::File::parse(MODEL, sizeof(MODEL), &file) || !file.find("selftest.input", &input) ||
      !file.find("selftest.output", &output)) {
    return fail("no self test in the model");
  }
  const auto* windows = reinterpret_cast<const float*>(input.data);
  const auto* expected = reinterpret_cast<const float*>(output.data);
  const std::size_t batch = input.dims[0], n = model.config().n_predictions();
  const std::size_t window = std::size_t{model.config().channels} * model.config().window;
  uint32_t spent = 0;
  for (std::size_t b = 0; b < batch; ++b) {
    float got[2];
    const uint32_t start = ticks();
    model.predict(windows + b * window, 1, got, scratch);
    spent = ticks() - start;
    if (n > 2 || std::memcmp(got, expected + b * n, n * sizeof(float)) != 0) {
      return fail("an answer differs from the stored one");
    }
  }
  tell("windows", static_cast<uint32_t>(batch));
  // The emulator lets one instruction take 1 ns of the board's time.
  write_text(isa);
  tell(" instructions", spent * (1000 / BOARD_MHZ));
  tell("arena", static_cast<uint32_t>(arena_used()));
  tell("scratch", static_cast<uint32_t>(model.scratch_bytes()));
  return 0;
}

}  // namespace

int firmware() {
  using namespace ppgfast;
  cpu::Candidate candidate[cpu::max_candidates];
  const std::size_t n = cpu::candidates(cpu::detect(), candidate);
  for (std::size_t i = 0; i < n; ++i) {
    if (const int failed = test(candidate[i].table->name)) return failed;
  }
  return 0;
}
