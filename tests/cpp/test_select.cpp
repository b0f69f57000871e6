// Which kernel table is chosen, for CPUs that this machine is not.
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

#if defined(PPGFAST_HAVE_AVX2)
TEST(avx2_needs_the_cpu) {
  cpu::Features features;
  CHECK_EQ(chosen(features, "avx2"), std::string("unsupported_isa"));
  features.avx2_fma = true;
  CHECK_EQ(chosen(features, "avx2"), std::string("avx2"));
  CHECK_EQ(chosen(features, nullptr), std::string("avx2"));
  CHECK_EQ(chosen(features, "scalar"), std::string("scalar"));
}
#endif

TEST(every_table_has_its_file_s_name_once) {
  cpu::Candidate candidate[cpu::max_candidates];
  const std::size_t n = cpu::candidates(cpu::detect(), candidate);
  CHECK(n >= 1 && n <= cpu::max_candidates);
  CHECK_EQ(std::string(candidate[n - 1].table->name), std::string("scalar"));
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < i; ++j) CHECK(std::strcmp(candidate[i].table->name, candidate[j].table->name) != 0);
  }
}

}  // namespace
