#include "ppgfast/status.hpp"

#include <cstddef>

namespace ppgfast {
namespace {

struct Text {
  const char* name;
  const char* found;
  const char* fix;
};

constexpr Text texts[] = {
#define X(name, found, fix) {#name, found, fix},
#include "ppgfast/status.def"
#undef X
};

const Text& text(Status status) noexcept {
  const auto i = static_cast<std::size_t>(status);
  return texts[i < sizeof(texts) / sizeof(texts[0]) ? i : 0];
}

}  // namespace

const char* status_name(Status status) noexcept { return text(status).name; }
const char* status_found(Status status) noexcept { return text(status).found; }
const char* status_fix(Status status) noexcept { return text(status).fix; }

}  // namespace ppgfast
