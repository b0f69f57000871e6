/* A wrist in a page: packets of samples as a sensor would send them, a heart rate every hop.
 *
 *   cc -std=c99 stream.c $(pkg-config --cflags --libs ppgfast) -lm -o stream
 *   ./stream model.ppgf [SPEED]        1: as a live sensor; 0: as fast as it goes (default 10)
 *
 * The signal is simulated: a pulse that quickens from 60 to 120 bpm, with a lost packet on the way. */
#define _POSIX_C_SOURCE 199309L
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ppgfast/ppgfast.h"

enum { rate = 64, packet = 16, seconds = 60 };

static void stop(const ppgfast_error* error) {
  char text[400];
  ppgfast_error_text(error, text, sizeof(text));
  fprintf(stderr, "%s\n", text);
  exit(1);
}

/* The next sample of the pulse, on the offset that a raw sensor has. */
static float sense(void) {
  static double time = 0.0, beats = 0.0;
  const double bpm = 60.0 + time;
  time += 1.0 / rate;
  beats += bpm / 60.0 / rate;
  return (float)(1e5 + 400.0 * sin(1.5 * time) + 300.0 * sin(6.28318530718 * beats) +
                 120.0 * sin(12.5663706144 * beats + 1.0));
}

static void wait_for_packet(double speed) {
  struct timespec pause = {0, 0};
  if (speed <= 0.0) return;
  pause.tv_nsec = (long)(1e9 * packet / rate / speed);
  nanosleep(&pause, NULL);
}

int main(int count, char** arguments) {
  const double speed = count > 2 ? atof(arguments[2]) : 10.0;
  ppgfast_model* model = NULL;
  ppgfast_stream* stream = NULL;
  ppgfast_stream_config config;
  ppgfast_error error;
  size_t bytes = 0;
  char* memory;
  int sent;
  if (count < 2) {
    fprintf(stderr, "usage: stream MODEL [SPEED]\n");
    return 1;
  }

  if (ppgfast_model_open(arguments[1], NULL, &model, &error) != PPGFAST_ok) stop(&error);
  ppgfast_stream_defaults(&config);
  config.sampling_rate = rate;
  if (ppgfast_stream_arena_bytes(model, &config, &bytes, &error) != PPGFAST_ok) stop(&error);
  memory = malloc(bytes + 64);
  if (memory == NULL) return 1;
  if (ppgfast_stream_init(model, &config, memory + 64 - (size_t)memory % 64, bytes, &stream, &error) !=
      PPGFAST_ok) {
    stop(&error);
  }

  for (sent = 0; sent < seconds * rate; sent += packet) {
    float samples[packet];
    ppgfast_chunk chunk = {0};
    ppgfast_result result;
    int i;
    for (i = 0; i < packet; ++i) samples[i] = sense();
    if (sent == 30 * rate) {
      for (i = 0; i < packet; ++i) samples[i] = NAN; /* lost on the air */
    }
    wait_for_packet(speed);
    chunk.ppg = samples;
    chunk.n = packet;
    while (ppgfast_stream_push(stream, &chunk, &result)) {
      printf("%5.1f s  %6.1f bpm  %6.3f of AF  quality %.2f  %s\n", result.t_end, (double)result.hr_bpm,
             (double)result.af_probability, (double)result.quality, ppgfast_reason_name(result.reason));
      fflush(stdout);
    }
  }
  free(memory);
  ppgfast_model_close(model);
  return 0;
}
