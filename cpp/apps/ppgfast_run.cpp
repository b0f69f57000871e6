// A recording or a live signal through a model; a line for each result as it comes.
#include <unistd.h>
#if defined(_WIN32)
#include <fcntl.h>
#include <io.h>
#endif

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <new>

#include "ppgfast/ppgfast.h"

namespace {

constexpr const char* usage =
    "usage: ppgfast-run MODEL --rate HZ [options] [FILE]\n"
    "\n"
    "Reads samples from FILE or standard input and prints a line of CSV for each result, as it comes.\n"
    "\n"
    "  --rate HZ       sampling rate, 20 to 500\n"
    "  --int16         little-endian 16-bit samples of PPG instead of CSV\n"
    "  --column N      column of the PPG, from 1, where the CSV has several; no number there: a missing "
    "sample\n"
    "  --acc N         first of the three columns of the accelerometer, in g\n"
    "  --time N        column of the time stamps, in s\n"
    "  --hop S         time between results (default: the model's)\n"
    "  --both-ways     filter each window backwards too, as in training\n"
    "  --clip LOW HIGH limits of the sensor\n"
    "  --worn LOW HIGH level of a worn sensor\n"
    "  --isa NAME      kernel table (default: the fastest that this CPU runs)\n";

struct Options {
  const char *model = nullptr, *file = "-", *isa = nullptr;
  bool int16 = false;
  int column = 0, acc = 0, time = 0;  // from 1; 0: not given
  ppgfast_stream_config stream;
};

[[noreturn]] void stop(const char* what, const char* which = "") {
  std::fprintf(stderr, "ppgfast-run: %s%s\n", what, which);
  std::exit(1);
}

[[noreturn]] void stop(const ppgfast_error& error) {
  char text[400];
  ppgfast_error_text(&error, text, sizeof(text));
  stop(text);
}

double number(const char* text, const char* option) {
  char* end = nullptr;
  const double value = text == nullptr ? 0.0 : std::strtod(text, &end);
  if (text == nullptr || end == text || *end != '\0') stop("a number must follow ", option);
  return value;
}

int column(const char* text, const char* option) {
  const double value = number(text, option);
  if (!(value >= 1.0 && value <= 1000.0)) stop("a column from 1 to 1000 must follow ", option);
  return static_cast<int>(value);
}

Options parse(char** argument) {
  Options o;
  ppgfast_stream_defaults(&o.stream);
  int positional = 0;
  for (++argument; *argument != nullptr; ++argument) {
    const char* const a = *argument;
    // The next argument; the loop ends at a null one.
    const auto next = [&] { return argument[1] == nullptr ? nullptr : *++argument; };
    if (std::strcmp(a, "--rate") == 0) {
      o.stream.sampling_rate = number(next(), a);
    } else if (std::strcmp(a, "--int16") == 0) {
      o.int16 = true;
    } else if (std::strcmp(a, "--column") == 0) {
      o.column = column(next(), a);
    } else if (std::strcmp(a, "--acc") == 0) {
      o.acc = column(next(), a);
    } else if (std::strcmp(a, "--time") == 0) {
      o.time = column(next(), a);
      o.stream.timestamped = 1;
    } else if (std::strcmp(a, "--hop") == 0) {
      o.stream.hop = number(next(), a);
    } else if (std::strcmp(a, "--both-ways") == 0) {
      o.stream.both_ways = 1;
    } else if (std::strcmp(a, "--clip") == 0) {
      o.stream.clip_low = number(next(), a);
      o.stream.clip_high = number(next(), a);
    } else if (std::strcmp(a, "--worn") == 0) {
      o.stream.worn_low = number(next(), a);
      o.stream.worn_high = number(next(), a);
    } else if (std::strcmp(a, "--isa") == 0) {
      o.isa = next();
    } else if (std::strcmp(a, "--help") == 0) {
      std::fputs(usage, stdout);
      std::exit(0);
    } else if (a[0] == '-' && a[1] == '-') {
      stop("there is no option ", a);
    } else if (positional++ == 0) {
      o.model = a;
    } else {
      o.file = a;
    }
  }
  if (o.model == nullptr || positional > 2) {
    std::fputs(usage, stderr);
    std::exit(1);
  }
  if (o.int16 && (o.acc != 0 || o.time != 0)) stop("--int16 has one column: leave out --acc and --time");
  o.stream.acc_rate = o.acc != 0 ? o.stream.sampling_rate : 0.0;
  return o;
}

void print(const ppgfast_result& r) {
  std::printf("%.6f,%.6f,%.9g,%.9g,%.9g,%.9g,%s\n", r.t_start, r.t_end, static_cast<double>(r.hr_bpm),
              static_cast<double>(r.hr_std), static_cast<double>(r.af_probability),
              static_cast<double>(r.quality), ppgfast_reason_name(r.reason));
  std::fflush(stdout);
}

void push(ppgfast_stream* stream, ppgfast_chunk chunk) {
  ppgfast_result result;
  while (ppgfast_stream_push(stream, &chunk, &result) != 0) print(result);
}

// What stands in a column (from 1) of a line; neither, if that is no number or the line ends before. "nan" is
// one.
struct Field {
  bool number = false, empty = false;
  double value = NAN;
};

Field field(const char* line, int column_of) {
  for (int i = 1; i < column_of; ++i) {
    line = std::strchr(line, ',');
    if (line++ == nullptr) return {};
  }
  char* end = nullptr;
  const double value = std::strtod(line, &end);
  const char after = end[std::strspn(end, " \t")];
  if (after != ',' && after != '\0') return {};
  return end == line ? Field{false, true, NAN} : Field{true, false, value};
}

// A line before the first sample that neither begins with a digit nor holds the number looked for.
bool is_header(const char* line, int ppg) {
  const char* const start = line + std::strspn(line, " \t+-.");
  return (*start < '0' || *start > '9') && !field(line, 1).number && !field(line, ppg).number;
}

[[noreturn]] void stop_at(long number, const char* line, int column_of) {
  std::fprintf(stderr,
               "ppgfast-run: line %ld gives no number in column %d: \"%.60s\"; "
               "expected numbers with a decimal point, between commas\n",
               number, column_of, line);
  std::exit(1);
}

// The first line with numbers has what the options name.
void check(long number, const char* line, const char* header, const Options& o) {
  int columns = 1, titles = 1;
  for (const char* c = line; *c != '\0'; ++c) columns += *c == ',';
  for (const char* c = header; *c != '\0'; ++c) titles += *c == ',';
  if (o.column == 0 && columns > 1) {
    const char* const named = titles == columns ? header : line;
    std::fprintf(stderr, "ppgfast-run: there are %d columns (%.200s): name that of the PPG with --column\n",
                 columns, named);
    std::exit(1);
  }
  for (const int c : {o.column != 0 ? o.column : 1, o.time, o.acc, o.acc != 0 ? o.acc + 2 : 0}) {
    if (c == 0) continue;
    const Field f = field(line, c);
    if (!f.number && !f.empty) stop_at(number, line, c);
  }
}

void run_csv(ppgfast_stream* stream, const Options& o, std::FILE* file) {
  char line[4096], header[4096] = "", without[61] = "";
  long number = 0, samples = 0, missing = 0, first_header = 0, first_missing = 0;
  const int ppg = o.column != 0 ? o.column : 1;
  while (std::fgets(line, sizeof(line), file) != nullptr) {
    ++number;
    if (std::strchr(line, '\n') == nullptr && std::feof(file) == 0)
      stop("a line is longer than 4095 characters, or this is no text");
    line[std::strcspn(line, "\r\n")] = '\0';
    if (line[0] == '#' || line[0] == '\0') continue;
    if (samples == 0 && is_header(line, ppg)) {
      if (first_header == 0) {
        first_header = number;
        std::snprintf(without, sizeof(without), "%.60s", line);
      }
      std::snprintf(header, sizeof(header), "%s", line);
      continue;
    }
    if (samples++ == 0) check(number, line, header, o);
    const Field x = field(line, ppg);
    if (!x.number && missing++ == 0) {
      first_missing = number;
      std::snprintf(without, sizeof(without), "%.60s", line);
    }
    const auto sample = static_cast<float>(x.value);
    float acc[3] = {};
    for (int a = 0; o.acc != 0 && a < 3; ++a) acc[a] = static_cast<float>(field(line, o.acc + a).value);
    const double time = o.time != 0 ? field(line, o.time).value : 0.0;
    push(stream, {&sample, 1, acc, o.acc != 0 ? 1u : 0u, o.time != 0 ? &time : nullptr});
  }
  if (samples == 0 && first_header != 0) stop_at(first_header, without, ppg);
  if (2 * missing > samples) stop_at(first_missing, without, ppg);
}

void run_int16(ppgfast_stream* stream, std::FILE* file) {
  unsigned char bytes[1024];
  std::size_t held = 0;
  for (;;) {
    const ssize_t got = ::read(fileno(file), bytes + held, sizeof(bytes) - held);
    if (got <= 0) return;
    held += static_cast<std::size_t>(got);
    float samples[sizeof(bytes) / 2];
    for (std::size_t i = 0; i < held / 2; ++i) {
      const int low = bytes[2 * i], high = static_cast<signed char>(bytes[2 * i + 1]);
      samples[i] = static_cast<float>(high * 256 + low);
    }
    push(stream, {samples, held / 2, nullptr, 0, nullptr});
    if (held % 2 != 0) bytes[0] = bytes[held - 1];
    held %= 2;
  }
}

// Bytes as they are: Windows would end the input at a 26 and write "\r\n" for "\n".
void take_bytes_as_they_are() {
#if defined(_WIN32)
  for (std::FILE* const file : {stdin, stdout, stderr}) ::_setmode(::_fileno(file), _O_BINARY);
#endif
}

}  // namespace

int main(int, char** arguments) {
  take_bytes_as_they_are();
  const Options options = parse(arguments);
  ppgfast_error error;
  ppgfast_model* model = nullptr;
  if (ppgfast_model_open(options.model, options.isa, &model, &error) != PPGFAST_ok) stop(error);
  std::size_t bytes = 0;
  if (ppgfast_stream_arena_bytes(model, &options.stream, &bytes, &error) != PPGFAST_ok) stop(error);
  constexpr std::align_val_t line{64};
  void* const arena = ::operator new(bytes, line, std::nothrow);
  if (arena == nullptr) stop("memory could not be taken");
  ppgfast_stream* stream = nullptr;
  if (ppgfast_stream_init(model, &options.stream, arena, bytes, &stream, &error) != PPGFAST_ok) stop(error);

  std::FILE* const file = std::strcmp(options.file, "-") == 0 ? stdin : std::fopen(options.file, "rb");
  if (file == nullptr) stop("cannot open ", options.file);
  std::puts("t_start,t_end,hr_bpm,hr_std,af_probability,quality,reason");
  if (options.int16) {
    run_int16(stream, file);
  } else {
    run_csv(stream, options, file);
  }
  const double measured = ppgfast_stream_measured_rate(stream), stated = options.stream.sampling_rate;
  if (measured > 0.0 && std::fabs(measured / stated - 1.0) > 0.01) {
    std::fprintf(stderr, "ppgfast-run: the time stamps run at %.2f Hz, --rate is %g Hz\n", measured, stated);
  }
  if (file != stdin) std::fclose(file);
  ::operator delete(arena, line);
  ppgfast_model_close(model);
  return 0;
}
