// The C face: handles and status codes around Model and Stream.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <new>

#include "cpu/select.hpp"
#include "ppgfast/model.hpp"
#include "ppgfast/ppgfast.h"
#include "ppgfast/stream.hpp"

using namespace ppgfast;

struct ppgfast_model {
  Model model;
};

namespace {

static_assert(PPGFAST_STATUS_COUNT == status_count);
static_assert(sizeof(ppgfast_stream_config) == sizeof(StreamConfig));
static_assert(static_cast<int>(PPGFAST_REASON_low_confidence) == static_cast<int>(Reason::low_confidence));

ppgfast_status report(const Error& from, ppgfast_error* to) noexcept {
  const auto status = static_cast<ppgfast_status>(from.status);
  if (to != nullptr) {
    to->status = status;
    to->offset = from.offset;
    std::memcpy(to->name, from.name, sizeof(to->name));
    to->found = from.found;
    to->limit = from.limit;
  }
  return status;
}

StreamConfig config_of(const ppgfast_stream_config& c) noexcept {
  StreamConfig config;
  config.sampling_rate = c.sampling_rate;
  config.acc_rate = c.acc_rate;
  config.hop = c.hop;
  config.clip_low = c.clip_low;
  config.clip_high = c.clip_high;
  config.worn_low = c.worn_low;
  config.worn_high = c.worn_high;
  config.min_quality = c.min_quality;
  config.max_hr_std = c.max_hr_std;
  config.jitter = c.jitter;
  config.timestamped = c.timestamped;
  config.track = c.track;
  config.both_ways = c.both_ways;
  config.first_sample = c.first_sample;
  return config;
}

Stream* stream_of(ppgfast_stream* stream) noexcept { return reinterpret_cast<Stream*>(stream); }
const Stream* stream_of(const ppgfast_stream* stream) noexcept {
  return reinterpret_cast<const Stream*>(stream);
}

template <typename Open>
ppgfast_status open_model(ppgfast_model** out, ppgfast_error* error, Open open) noexcept {
  auto* const handle = new (std::nothrow) ppgfast_model;
  if (handle == nullptr) return report(failure(Status::out_of_memory), error);
  const Error failed = open(&handle->model);
  if (failed) {
    delete handle;
  } else {
    *out = handle;
  }
  return report(failed, error);
}

}  // namespace

extern "C" {

const char* ppgfast_version(void) { return PPGFAST_VERSION; }

const char* ppgfast_status_name(ppgfast_status status) { return status_name(static_cast<Status>(status)); }
const char* ppgfast_status_found(ppgfast_status status) { return status_found(static_cast<Status>(status)); }
const char* ppgfast_status_fix(ppgfast_status status) { return status_fix(static_cast<Status>(status)); }
const char* ppgfast_reason_name(ppgfast_reason reason) { return reason_name(static_cast<Reason>(reason)); }

void ppgfast_error_text(const ppgfast_error* error, char* text, size_t size) {
  const char* const found = ppgfast_status_found(error->status);
  const char* const fix = ppgfast_status_fix(error->status);
  if (error->found != 0.0 || error->limit != 0.0 || std::isnan(error->found)) {
    std::snprintf(text, size, "%s is %.10g, the bound is %.10g: %s: %s", error->name, error->found,
                  error->limit, found, fix);
  } else if (error->name[0] != '\0') {
    std::snprintf(text, size, "%s (%s): %s", found, error->name, fix);
  } else {
    std::snprintf(text, size, "%s: %s", found, fix);
  }
}

const char* ppgfast_isa(size_t i, int* supported) {
  cpu::Candidate candidate[cpu::max_candidates];
  if (i >= cpu::candidates(cpu::detect(), candidate)) return nullptr;
  *supported = candidate[i].supported ? 1 : 0;
  return candidate[i].table->name;
}

ppgfast_status ppgfast_model_open(const char* path, const char* isa, ppgfast_model** out,
                                  ppgfast_error* error) {
  return open_model(out, error, [&](Model* model) { return Model::open_file(path, isa, model); });
}

ppgfast_status ppgfast_model_open_memory(const void* bytes, size_t size, const char* isa, ppgfast_model** out,
                                         ppgfast_error* error) {
  return open_model(out, error, [&](Model* model) { return Model::open_memory(bytes, size, isa, model); });
}

ppgfast_status ppgfast_model_open_in_place(const void* bytes, size_t size, const char* isa,
                                           ppgfast_model** out, ppgfast_error* error) {
  return open_model(out, error, [&](Model* model) { return Model::open_in_place(bytes, size, isa, model); });
}

void ppgfast_model_close(ppgfast_model* model) { delete model; }

void ppgfast_model_about(const ppgfast_model* model, ppgfast_about* out) {
  const Model& m = model->model;
  const ModelConfig& c = m.config();
  out->sampling_rate = c.sampling_rate;
  out->window = c.window;
  out->channels = c.channels;
  out->hop = c.hop;
  out->n_predictions = c.n_predictions();
  out->task = static_cast<uint32_t>(c.task);
  out->parameters = m.parameters();
  out->weight_bytes = m.weight_bytes();
  out->scratch_bytes = m.scratch_bytes();
  out->isa = m.isa();
  out->note = m.note();
}

void ppgfast_model_predict(const ppgfast_model* model, const float* windows, size_t batch, float* predictions,
                           void* scratch) {
  model->model.predict(windows, batch, predictions, scratch);
}

void ppgfast_stream_defaults(ppgfast_stream_config* config) {
  const StreamConfig c;
  *config = {c.sampling_rate, c.acc_rate,  c.hop,         c.clip_low,    c.clip_high,
             c.worn_low,      c.worn_high, c.min_quality, c.max_hr_std,  c.jitter,
             c.timestamped,   c.track,     c.both_ways,   c.first_sample};
}

ppgfast_status ppgfast_stream_arena_bytes(const ppgfast_model* model, const ppgfast_stream_config* config,
                                          size_t* bytes, ppgfast_error* error) {
  return report(Stream::arena_bytes(model->model, config_of(*config), bytes), error);
}

ppgfast_status ppgfast_stream_init(const ppgfast_model* model, const ppgfast_stream_config* config,
                                   void* arena, size_t bytes, ppgfast_stream** out, ppgfast_error* error) {
  Stream* stream = nullptr;
  const Error failed = Stream::init(model->model, config_of(*config), arena, bytes, &stream);
  if (!failed) *out = reinterpret_cast<ppgfast_stream*>(stream);
  return report(failed, error);
}

int ppgfast_stream_push(ppgfast_stream* stream, ppgfast_chunk* chunk, ppgfast_result* result) {
  Chunk c;
  c.ppg = chunk->ppg, c.n = chunk->n, c.acc = chunk->acc, c.n_acc = chunk->n_acc, c.times = chunk->times;
  StreamResult r;
  const bool due = stream_of(stream)->push(&c, &r);
  chunk->ppg = c.ppg, chunk->n = c.n, chunk->acc = c.acc, chunk->n_acc = c.n_acc, chunk->times = c.times;
  if (!due) return 0;
  *result = {r.t_start, r.t_end,          r.sample,  r.hr_bpm,
             r.hr_std,  r.af_probability, r.quality, static_cast<ppgfast_reason>(r.reason)};
  return 1;
}

void ppgfast_stream_reset(ppgfast_stream* stream) { stream_of(stream)->reset(); }
double ppgfast_stream_latency(const ppgfast_stream* stream) { return stream_of(stream)->latency(); }
double ppgfast_stream_measured_rate(const ppgfast_stream* stream) {
  return stream_of(stream)->measured_rate();
}

}  // extern "C"
