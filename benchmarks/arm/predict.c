/* predict MODEL TIMES: predicts one window again and again, for icount.c. No clock, no printing in between.
 */
#include <stdio.h>
#include <stdlib.h>

#include "ppgfast/ppgfast.h"

static void* allocate(size_t bytes) {
  void* const block = aligned_alloc(64, (bytes + 63) / 64 * 64);
  if (block == NULL) abort();
  return block;
}

int main(int count, char** arguments) {
  if (count != 3) return fputs("usage: predict MODEL TIMES\n", stderr), 1;
  ppgfast_error error;
  ppgfast_model* model = NULL;
  if (ppgfast_model_open(arguments[1], NULL, &model, &error) != PPGFAST_ok) {
    char text[400];
    ppgfast_error_text(&error, text, sizeof(text));
    return fprintf(stderr, "%s\n", text), 1;
  }
  ppgfast_about about;
  ppgfast_model_about(model, &about);
  const size_t n = (size_t)about.window * about.channels;
  float* const x = allocate(n * sizeof(float));
  float* const y = allocate(about.n_predictions * sizeof(float));
  void* const scratch = allocate(about.scratch_bytes);
  for (size_t i = 0; i < n; ++i) x[i] = (float)(i * i % 41);
  for (int times = atoi(arguments[2]); times > 0; --times) ppgfast_model_predict(model, x, 1, y, scratch);
  printf("%s\n", about.isa);
  ppgfast_model_close(model);
  free(x);
  free(y);
  free(scratch);
  return 0;
}
