#include "ppgfast/status.hpp"

#include <cstddef>

namespace ppgfast {
namespace {

// Three tables: what nobody asks for takes no room on a small device.
constexpr const char* names[] = {
#define X(name, found, fix) #name,
#include "ppgfast/status.def"
#undef X
};

constexpr const char* founds[] = {
#define X(name, found, fix) found,
#include "ppgfast/status.def"
#undef X
};

constexpr const char* fixes[] = {
#define X(name, found, fix) fix,
#include "ppgfast/status.def"
#undef X
};

template <std::size_t n>
const char* text(const char* const (&texts)[n], Status status) noexcept {
  const auto i = static_cast<std::size_t>(status);
  return texts[i < n ? i : 0];
}

}  // namespace

const char* status_name(Status status) noexcept { return text(names, status); }
const char* status_found(Status status) noexcept { return text(founds, status); }
const char* status_fix(Status status) noexcept { return text(fixes, status); }

}  // namespace ppgfast
