// Which kernel table is chosen, for CPUs that this machine is not.
#include <cstdlib>
#include <string>
#include <vector>

#include "check.hpp"
#include "cpu/select.hpp"

namespace {

using namespace ppgfast;

std::string chosen(const cpu::Features& features, const char* forced) {
  const kernels::Kernels* table = nullptr;
  const Error error = cpu::select(features, forced, &table);
  return error ? std::string(status_name(error.status)) : std::string(table->name);
}

TEST(scalar_runs_everywhere) {
  CHECK_EQ(chosen(cpu::Features{}, nullptr), std::string("scalar"));
  CHECK_EQ(chosen(cpu::Features{}, "scalar"), std::string("scalar"));
  CHECK_EQ(chosen(cpu::detect(), "scalar"), std::string("scalar"));
}

TEST(an_empty_name_forces_nothing) { CHECK_EQ(chosen(cpu::Features{}, ""), std::string("scalar")); }

TEST(an_unknown_name_is_an_error) {
  for (const char* name : {"AVX2", "avx", "avx2 ", "sse", "fastest"}) {
    CHECK_EQ(chosen(cpu::detect(), name), std::string("unknown_isa"));
  }
}

TEST(the_error_names_what_was_asked_for) {
  const kernels::Kernels* table = nullptr;
  CHECK_EQ(std::string(cpu::select(cpu::Features{}, "mmx", &table).name), std::string("mmx"));
  CHECK(table == nullptr);
}

// Fastest first, with what each needs of the CPU.
struct Isa {
  const char* name;
  std::vector<bool cpu::Features::*> needs;
};
using F = cpu::Features;
const std::vector<Isa> isas = {
#if defined(PPGFAST_HAVE_AVX512VNNI)
    {"avx512vnni", {&F::avx512, &F::avx512_vnni}},
#endif
#if defined(PPGFAST_HAVE_AVX512)
    {"avx512", {&F::avx512}},
#endif
#if defined(PPGFAST_HAVE_AVX2)
    {"avx2", {&F::avx2_fma}},
#endif
#if defined(PPGFAST_HAVE_NEON_DOT)
    {"neon_dot", {&F::neon, &F::neon_dot}},
#endif
#if defined(PPGFAST_HAVE_NEON)
    {"neon", {&F::neon}},
#endif
    {"scalar", {}},
};

TEST(every_set_of_features_gets_the_fastest_table_it_can_run) {
  bool F::* const flags[] = {&F::pclmul, &F::avx2_fma, &F::avx512, &F::avx512_vnni, &F::neon, &F::neon_dot};
  constexpr unsigned n = sizeof(flags) / sizeof(flags[0]);
  static_assert(sizeof(F) == n * sizeof(bool), "a feature is missing in this test");
  for (unsigned set = 0; set < 1u << n; ++set) {
    F features;
    for (unsigned i = 0; i < n; ++i) features.*flags[i] = (set >> i & 1) != 0;
    std::string fastest;
    for (const Isa& isa : isas) {
      bool runs = true;
      for (bool F::* need : isa.needs) runs = runs && features.*need;
      if (runs && fastest.empty()) fastest = isa.name;
      CHECK_EQ(chosen(features, isa.name), std::string(runs ? isa.name : "unsupported_isa"));
    }
    CHECK_EQ(chosen(features, nullptr), fastest);
    CHECK_EQ(chosen(features, ""), fastest);
    CHECK_EQ(chosen(features, "mmx"), std::string("unknown_isa"));
  }
}

// Emulators set PPGFAST_EXPECTED_ISA: what is detected there is known.
TEST(this_cpu_gets_the_table_it_is_known_for) {
  const char* const expected = std::getenv("PPGFAST_EXPECTED_ISA");
  if (expected == nullptr) return check::skip("PPGFAST_EXPECTED_ISA is not set");
  CHECK_EQ(chosen(cpu::detect(), nullptr), std::string(expected));
}

TEST(every_table_has_its_file_s_name_once) {
  cpu::Candidate candidate[cpu::max_candidates];
  const std::size_t n = cpu::candidates(cpu::detect(), candidate);
  CHECK(n >= 1 && n <= cpu::max_candidates);
  CHECK_EQ(n, isas.size());
  CHECK_EQ(std::string(candidate[n - 1].table->name), std::string("scalar"));
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < i; ++j)
      CHECK(std::strcmp(candidate[i].table->name, candidate[j].table->name) != 0);
  }
}

}  // namespace
