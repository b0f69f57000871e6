// A stream on the processor: the fixed signal has the same hash as everywhere else. Counts what it took.
#include "cpu/select.hpp"
#include "fixed_signal.hpp"
#include "memory.hpp"
#include "ppgfast/model.hpp"
#include "ppgfast/stream.hpp"
#include "startup.h"

// MODEL_HEADER, MODEL (its array), MODEL_BYTES, BOARD_MHZ, RATE, EXPECTED_HASH and ARENA_BYTES come from the
// build.
#include MODEL_HEADER

namespace {

alignas(64) unsigned char stream_arena[ARENA_BYTES];
alignas(8) unsigned char model_arena[MODEL_BYTES];

void tell(const char* isa, const char* what, std::uint32_t number) {
  write_text(isa);
  write_text(what);
  write_number(number);
  write_text("\n");
}

int fail(const char* why, std::uint64_t number) {
  write_text(why);
  char digits[] = " 0x0000000000000000\n";
  for (int i = 18; i > 2; --i, number >>= 4) digits[i] = "0123456789abcdef"[number & 15];
  write_text(digits);
  return 1;
}

// The emulator lets one instruction take 1 ns of the board's time.
std::uint32_t instructions(std::uint32_t spent) { return spent * (1000 / BOARD_MHZ); }

int test(const char* isa) {
  using namespace ppgfast;
  give_arena(model_arena, sizeof(model_arena));
  Model model;
  if (const Error error = Model::open_in_place(MODEL, sizeof(MODEL), isa, &model)) {
    return fail(status_name(error.status), error.offset);
  }
  StreamConfig config;
  config.sampling_rate = RATE;
  std::size_t needed = 0;
  Stream* stream = nullptr;
  if (Stream::arena_bytes(model, config, &needed)) return fail("no stream through this model", 0);
  const std::uint32_t before = ticks();
  if (const Error error = Stream::init(model, config, stream_arena, sizeof(stream_arena), &stream)) {
    return fail(status_name(error.status), needed);
  }
  const std::uint32_t init = ticks() - before;

  fixed_signal::Ppg signal(RATE, 30.0);
  fixed_signal::Hash hash;
  std::uint32_t samples = 0, chain = 0, answers = 0, answering = 0;
  for (std::size_t i = 0; i < signal.size(); ++i) {
    double time;
    const float x = signal.next(&time);
    Chunk chunk;
    chunk.ppg = &x, chunk.n = 1;
    StreamResult result;
    bool has_answer = false;
    const std::uint32_t start = ticks();
    while (stream->push(&chunk, &result)) {
      hash.add(result);
      has_answer |= result.hr_bpm == result.hr_bpm;
    }
    const std::uint32_t spent = ticks() - start;
    has_answer ? ++answers, answering += spent : (++samples, chain += spent);
  }
  if (hash.value() != EXPECTED_HASH) return fail("the hash is", hash.value());
  if (answers == 0) return fail("no answer", 0);
  tell(isa, " init ", instructions(init));
  tell(isa, " second ", instructions(chain) / samples * static_cast<std::uint32_t>(RATE));
  tell(isa, " answer ", instructions(answering / answers));
  tell(isa, " arena ", static_cast<std::uint32_t>(needed));
  tell(isa, " opened ", static_cast<std::uint32_t>(arena_used()));
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
