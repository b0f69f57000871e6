/* The C face, in strict C99: everything that a program calls, and that a stream in C is the stream. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ppgfast/ppgfast.h"

static int failures = 0;

#define CHECK(condition) ((condition) ? (void)0 : fail(__LINE__, #condition))
static void fail(int line, const char* what) {
  ++failures;
  fprintf(stderr, "test_c_api.c:%d: not true: %s\n", line, what);
}

#define MODEL(name) PPGFAST_TEST_DATA "/models/v1.0_" name ".ppgf"

static float sample(size_t i) {
  const double t = (double)i / 64.0;
  return (float)(1e5 + 500.0 * sin(1.7 * t) + 300.0 * sin(7.854 * t));
}

/* At a multiple of 64; freed when the program ends. */
static char* blocks[16];
static void* allocate(size_t bytes) {
  static size_t n = 0;
  char* const block = malloc(bytes + 64);
  if (block == NULL || n == sizeof(blocks) / sizeof(blocks[0])) exit(1);
  blocks[n++] = block;
  return block + (64 - (size_t)block % 64);
}

static void test_texts(void) {
  ppgfast_error error;
  char text[200], tiny[8];
  ppgfast_model* model = NULL;
  int supported = 0, tables = 0;
  CHECK(ppgfast_version()[0] == '0');
  CHECK(strcmp(ppgfast_status_name(PPGFAST_truncated), "truncated") == 0);
  CHECK(strlen(ppgfast_status_found(PPGFAST_truncated)) > 0 &&
        strlen(ppgfast_status_fix(PPGFAST_truncated)) > 0);
  CHECK(strcmp(ppgfast_reason_name(PPGFAST_REASON_off_wrist), "off_wrist") == 0);
  CHECK(ppgfast_model_open("no such file", NULL, &model, &error) == PPGFAST_file_not_found);
  CHECK(error.status == PPGFAST_file_not_found && model == NULL);
  ppgfast_error_text(&error, text, sizeof(text));
  CHECK(strcmp(text, "there is no file at this path: check the path") == 0);
  ppgfast_error_text(&error, tiny, sizeof(tiny));
  CHECK(strlen(tiny) == 7);
  CHECK(ppgfast_model_open("no such file", NULL, &model, NULL) == PPGFAST_file_not_found);
  CHECK(ppgfast_model_open(MODEL("gpt_f32"), "mmx", &model, &error) == PPGFAST_unknown_isa);
  while (ppgfast_isa((size_t)tables, &supported) != NULL) ++tables;
  CHECK(tables >= 1);
}

static void test_memory_and_file_are_one_model(const float* expected) {
  enum { most = 1 << 20 };
  FILE* const file = fopen(MODEL("gpt_f32"), "rb");
  unsigned char* const bytes = allocate(most);
  const size_t size = fread(bytes, 1, most - 64, file);
  ppgfast_about about;
  ppgfast_model* same = NULL;
  ppgfast_error error;
  float windows[64], predictions[8];
  size_t i;
  fclose(file);
  CHECK(ppgfast_model_open_memory(bytes, size, NULL, &same, NULL) == PPGFAST_ok);
  ppgfast_model_about(same, &about);
  CHECK(about.window == 35 && about.channels == 1 && about.task == 1 && about.n_predictions == 3);
  CHECK(about.sampling_rate == 40.0 && strlen(about.isa) > 0 && strlen(about.note) > 0);
  for (i = 0; i < about.window; ++i) windows[i] = sample(i);
  ppgfast_model_predict(same, windows, 1, predictions, allocate(about.scratch_bytes));
  CHECK(memcmp(predictions, expected, 3 * sizeof(float)) == 0);
  ppgfast_model_close(same);
  CHECK(ppgfast_model_open_in_place(bytes, size, "scalar", &same, &error) == PPGFAST_not_packed);
  CHECK(ppgfast_model_open_memory(bytes, size - 1, NULL, &same, &error) == PPGFAST_truncated);
  memmove(bytes + 4, bytes, size);
  CHECK(ppgfast_model_open_memory(bytes + 4, size, NULL, &same, &error) == PPGFAST_misaligned);
}

static void test_stream(const ppgfast_model* model) {
  enum { n = 64 * 20 };
  static float x[n];
  static ppgfast_result at_once[200], one_by_one[200];
  ppgfast_stream_config config;
  ppgfast_stream* stream = NULL;
  ppgfast_error error;
  ppgfast_chunk chunk = {0};
  char text[300];
  size_t bytes = 0, i, results = 0, again = 0;
  void* arena;
  for (i = 0; i < n; ++i) x[i] = sample(i);
  x[500] = NAN;

  ppgfast_stream_defaults(&config);
  CHECK(ppgfast_stream_arena_bytes(model, &config, &bytes, &error) == PPGFAST_bad_sampling_rate);
  ppgfast_error_text(&error, text, sizeof(text));
  CHECK(strncmp(text, "sampling_rate is 0, the bound is 20: ", 37) == 0);
  config.sampling_rate = 64.0;
  CHECK(ppgfast_stream_arena_bytes(model, &config, &bytes, &error) == PPGFAST_ok);
  arena = allocate(bytes);
  CHECK(ppgfast_stream_init(model, &config, arena, bytes - 1, &stream, &error) == PPGFAST_arena_too_small);
  CHECK(error.found == (double)(bytes - 1) && error.limit == (double)bytes);
  CHECK(ppgfast_stream_init(model, &config, (char*)arena + 1, bytes, &stream, NULL) == PPGFAST_misaligned);
  CHECK(ppgfast_stream_init(model, &config, arena, bytes, &stream, &error) == PPGFAST_ok);
  CHECK(ppgfast_stream_latency(stream) > 0.19 && ppgfast_stream_latency(stream) < 0.22);
  CHECK(ppgfast_stream_measured_rate(stream) == 0.0);

  chunk.ppg = x;
  chunk.n = n;
  while (ppgfast_stream_push(stream, &chunk, &at_once[results])) ++results;
  CHECK(chunk.n == 0 && chunk.ppg == x + n);
  CHECK(results > 50 && at_once[results - 1].hr_bpm == at_once[results - 1].hr_bpm);
  ppgfast_stream_reset(stream);
  for (i = 0; i < n; ++i) {
    chunk.ppg = x + i;
    chunk.n = 1;
    while (ppgfast_stream_push(stream, &chunk, &one_by_one[again])) ++again;
  }
  CHECK(again == results);
  for (i = 0; i < results; ++i) {
    CHECK(at_once[i].t_end == one_by_one[i].t_end && at_once[i].sample == one_by_one[i].sample);
    CHECK(memcmp(&at_once[i].hr_bpm, &one_by_one[i].hr_bpm, sizeof(float)) == 0);
    CHECK(at_once[i].reason == one_by_one[i].reason);
  }
}

int main(void) {
  ppgfast_model* model = NULL;
  ppgfast_about about;
  float windows[64], predictions[8];
  size_t i;
  test_texts();
  if (ppgfast_model_open(MODEL("gpt_f32"), NULL, &model, NULL) != PPGFAST_ok) return 1;
  ppgfast_model_about(model, &about);
  for (i = 0; i < about.window; ++i) windows[i] = sample(i);
  ppgfast_model_predict(model, windows, 1, predictions, allocate(about.scratch_bytes));
  test_memory_and_file_are_one_model(predictions);
  test_stream(model);
  ppgfast_model_close(model);
  for (i = 0; i < sizeof(blocks) / sizeof(blocks[0]); ++i) free(blocks[i]);
  printf(failures == 0 ? "all passed\n" : "%d failed\n", failures);
  return failures != 0;
}
