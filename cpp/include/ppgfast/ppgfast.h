/* ppgfast for C99 and whatever calls C. Models are shared by any number of threads; a stream belongs to one
 * at a time. After a stream has been initialised nothing fails, allocates, locks or prints.
 * docs/streaming.md. */
#ifndef PPGFAST_H
#define PPGFAST_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32) && defined(ppgfast_EXPORTS) /* while the DLL is built */
#define PPGFAST_API __declspec(dllexport)
#elif defined(__GNUC__) && !defined(_WIN32)
#define PPGFAST_API __attribute__((visibility("default")))
#else
#define PPGFAST_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
#define X(name, found, fix) PPGFAST_##name,
#include "ppgfast/status.def"
#undef X
  PPGFAST_STATUS_COUNT
} ppgfast_status;

typedef struct {
  ppgfast_status status;
  uint64_t offset;     /* in the model file, bytes */
  char name[49];       /* the config value, tensor or argument; may be empty */
  double found, limit; /* of an argument: its value, and the bound it misses */
} ppgfast_error;

PPGFAST_API const char* ppgfast_version(void);
PPGFAST_API const char* ppgfast_status_name(ppgfast_status status);  /* "truncated" */
PPGFAST_API const char* ppgfast_status_found(ppgfast_status status); /* "the file ends early" */
PPGFAST_API const char* ppgfast_status_fix(ppgfast_status status);   /* "copy it again" */
/* One sentence with all there is in `error`, cut to `size` characters with the NUL. */
PPGFAST_API void ppgfast_error_text(const ppgfast_error* error, char* text, size_t size);
/* Name of the i-th kernel table of this build and whether this CPU runs it; NULL after the last. */
PPGFAST_API const char* ppgfast_isa(size_t i, int* supported);

/* Models. ------------------------------------------------------------------------------------------------ */

typedef struct ppgfast_model ppgfast_model;

typedef struct {
  double sampling_rate;                          /* of its windows, Hz; 0: not stated */
  uint32_t window, channels, hop, n_predictions; /* samples of a channel; 1 or 4; samples; per window */
  uint32_t task;                                 /* 0 none, 1 heart rate, 2 atrial fibrillation */
  size_t parameters, weight_bytes, scratch_bytes;
  const char *isa, *note; /* valid as long as the model */
} ppgfast_about;

/* `isa` NULL: the environment's PPGFAST_FORCE_ISA or the fastest. `error` may be NULL. Bytes start at a
 * multiple of 64; they are not needed afterwards, but `_in_place`, for those of export-c, uses them there. */
PPGFAST_API ppgfast_status ppgfast_model_open(const char* path, const char* isa, ppgfast_model** out,
                                              ppgfast_error* error);
PPGFAST_API ppgfast_status ppgfast_model_open_memory(const void* bytes, size_t size, const char* isa,
                                                     ppgfast_model** out, ppgfast_error* error);
PPGFAST_API ppgfast_status ppgfast_model_open_in_place(const void* bytes, size_t size, const char* isa,
                                                       ppgfast_model** out, ppgfast_error* error);
PPGFAST_API void ppgfast_model_close(ppgfast_model* model);
PPGFAST_API void ppgfast_model_about(const ppgfast_model* model, ppgfast_about* out);
/* windows (batch, channels, window), finite -> predictions (batch, n_predictions); scratch: scratch_bytes at
 * a multiple of 64, for one thread. */
PPGFAST_API void ppgfast_model_predict(const ppgfast_model* model, const float* windows, size_t batch,
                                       float* predictions, void* scratch);

/* Streams. ----------------------------------------------------------------------------------------------- */

typedef struct ppgfast_stream ppgfast_stream;

typedef enum {
  PPGFAST_REASON_ok,
  PPGFAST_REASON_gap,
  PPGFAST_REASON_flat,
  PPGFAST_REASON_clipped,
  PPGFAST_REASON_off_wrist,
  PPGFAST_REASON_out_of_range,
  PPGFAST_REASON_warming_up,
  PPGFAST_REASON_low_confidence
} ppgfast_reason;
PPGFAST_API const char* ppgfast_reason_name(ppgfast_reason reason);

typedef struct {
  double sampling_rate; /* of the PPG, Hz, 20 to 500: the one that must be set */
  double acc_rate;      /* of the accelerometer, Hz, 10 to 500; models with 4 channels */
  double hop;           /* between results, s; 0: the model's */
  double clip_low, clip_high, worn_low, worn_high;     /* limits of the sensor, and the level while worn */
  double min_quality, max_hr_std;                      /* 0 to 1, -1: the task's; bpm */
  double jitter;                                       /* s: a time stamp further off is a gap */
  int64_t timestamped, track, both_ways, first_sample; /* 1: times; answers follow; filtered both ways */
} ppgfast_stream_config;

typedef struct {
  const float* ppg; /* n, NaN where a sample is missing */
  size_t n;
  const float* acc; /* (n_acc, 3) in g, or NULL */
  size_t n_acc;
  const double* times; /* n, s, or NULL */
} ppgfast_chunk;

typedef struct {
  double t_start, t_end;                /* of the window, s */
  int64_t sample;                       /* number of the first sample after it */
  float hr_bpm, hr_std, af_probability; /* NaN: none */
  float quality;                        /* 0 to 1 */
  ppgfast_reason reason;
} ppgfast_result;

PPGFAST_API void ppgfast_stream_defaults(ppgfast_stream_config* config);
PPGFAST_API ppgfast_status ppgfast_stream_arena_bytes(const ppgfast_model* model,
                                                      const ppgfast_stream_config* config, size_t* bytes,
                                                      ppgfast_error* error);
/* The stream lies in `arena`, at a multiple of 64, until the caller takes it back; the model outlives it. */
PPGFAST_API ppgfast_status ppgfast_stream_init(const ppgfast_model* model,
                                               const ppgfast_stream_config* config, void* arena, size_t bytes,
                                               ppgfast_stream** out, ppgfast_error* error);
/* 1: `result` is there, call again with the same chunk, which now begins after the samples taken. 0: all
 * taken. */
PPGFAST_API int ppgfast_stream_push(ppgfast_stream* stream, ppgfast_chunk* chunk, ppgfast_result* result);
PPGFAST_API void ppgfast_stream_reset(ppgfast_stream* stream);
PPGFAST_API double ppgfast_stream_latency(const ppgfast_stream* stream);       /* s */
PPGFAST_API double ppgfast_stream_measured_rate(const ppgfast_stream* stream); /* Hz; 0: not known yet */

#ifdef __cplusplus
}
#endif
#endif
