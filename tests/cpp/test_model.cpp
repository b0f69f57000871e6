// A model from its bytes to its predictions: the stored answers, no allocation after load, no dependence on
// scratch.
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "allocations.hpp"
#include "check.hpp"
#include "format/reader.hpp"
#include "isas.hpp"
#include "pages.hpp"
#include "ppgfast/model.hpp"

namespace {

using namespace ppgfast;

constexpr const char* golden_models[] = {
    "v1.0_gpt_f32", "v1.0_papagei_f32", "v1.0_tcn_f32", "v1.0_mlp_f32", "v1.0_linear_f32", "v1.0_gpt_s8",
    "v1.0_papagei_s8", "v1.0_tcn_s8", "v1.0_mlp_s8", "v1.0_linear_s8", "v1.0_streamgpt_f32",
    "v1.0_streamgpt_s8",
    // With accelerometer, answering with a distribution:
    "v1.0_gpt_acc_f32", "v1.0_tcn_acc_f32", "v1.0_gpt_acc_s8", "v1.0_tcn_acc_s8"};

std::string path_of(const std::string& name) {
  return std::string(PPGFAST_TEST_DATA) + "/models/" + name + ".ppgf";
}

// A golden model's file with the windows and answers it carries.
struct Golden {
  explicit Golden(const std::string& name) {
    std::ifstream stream(path_of(name), std::ios::binary);
    const std::string content{std::istreambuf_iterator<char>(stream), {}};
    size = content.size();
    bytes.reset(new Aligned(size));
    std::memcpy(bytes->block, content.data(), size);
    format::File file;
    format::Tensor input, output;
    if (format::File::parse(bytes->block, size, &file) || !file.find("selftest.input", &input) ||
        !file.find("selftest.output", &output)) {
      std::abort();
    }
    batch = input.dims[0];
    windows.resize(input.bytes / sizeof(float));
    answers.resize(output.bytes / sizeof(float));
    std::memcpy(windows.data(), input.data, input.bytes);
    std::memcpy(answers.data(), output.data, output.bytes);
  }
  Model open(const char* isa) const {
    Model model;
    if (Model::open_memory(bytes->block, size, isa, &model)) std::abort();
    return model;
  }
  std::unique_ptr<Aligned> bytes;
  std::size_t size = 0, batch = 0;
  std::vector<float> windows, answers;
};

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

TEST(stored_answers_come_back_bit_for_bit_on_every_isa) {
  for (const char* name : golden_models) {
    const Golden golden(name);
    for (const char* isa : isas()) {
      const Model model = golden.open(isa);
      const Aligned scratch(model.scratch_bytes());
      std::vector<float> got(golden.answers.size());
      model.predict(golden.windows.data(), golden.batch, got.data(), scratch.block);
      if (!CHECK(same_bits(got, golden.answers))) std::cout << "  " << name << " " << isa << "\n";
    }
  }
}

// Runs the test with every model on every table that this CPU runs.
template <typename Test>
void for_every_model(Test test) {
  for (const char* name : golden_models) {
    const Golden golden(name);
    for (const char* isa : isas()) {
      const Model model = golden.open(isa);
      const Aligned scratch(model.scratch_bytes());
      if (!CHECK(test(golden, model, scratch.block))) std::cout << "  " << name << " " << isa << "\n";
    }
  }
}

TEST(one_window_is_a_row_of_any_batch) {
  for_every_model([](const Golden& golden, const Model& model, void* scratch) {
    const std::size_t window = model.config().channels * model.config().window;
    const std::size_t outputs = model.config().n_predictions();
    const std::size_t batch = 140;  // more than one pass of any model
    std::vector<float> windows(batch * window), together(batch * outputs), alone(batch * outputs);
    for (std::size_t i = 0; i < windows.size(); ++i) windows[i] = golden.windows[i % golden.windows.size()];
    model.predict(windows.data(), batch, together.data(), scratch);
    for (std::size_t b = 0; b < batch; ++b) {
      model.predict(windows.data() + b * window, 1, alone.data() + b * outputs, scratch);
    }
    return same_bits(together, alone);
  });
}

TEST(predictions_do_not_depend_on_what_scratch_held) {
  for_every_model([](const Golden& golden, const Model& model, void* scratch) {
    bool same = true;
    for (int fill : {0x00, 0xFF, 0x7F}) {
      std::memset(scratch, fill, model.scratch_bytes());
      std::vector<float> got(golden.answers.size());
      model.predict(golden.windows.data(), golden.batch, got.data(), scratch);
      same = same && same_bits(got, golden.answers);
    }
    return same;
  });
}

TEST(nothing_is_allocated_after_load) {
  for_every_model([](const Golden& golden, const Model& model, void* scratch) {
    std::vector<float> got(golden.answers.size());
    std::vector<float> hidden(golden.batch * model.tokens() * model.config().d_model);
    std::vector<float> bins(golden.batch * model.config().n_outputs);
    const long before = allocations;
    model.predict(golden.windows.data(), golden.batch, got.data(), scratch);
    if (model.tokens() > 0) model.embed(golden.windows.data(), golden.batch, hidden.data(), scratch);
    model.outputs(golden.windows.data(), golden.batch, bins.data(), scratch);
    return allocations.load() == before;
  });
}

TEST(an_allocation_that_fails_is_a_status) {
  for (const char* name : golden_models) {
    const Golden golden(name);
    long failures = 0;
    for (;; ++failures) {
      Model model;
      refuse_at = failures;
      const Error error = Model::open_memory(golden.bytes->block, golden.size, nullptr, &model);
      refuse_at = -1;
      if (!error) break;
      if (!CHECK(error.status == Status::out_of_memory)) break;
    }
    CHECK(failures >= 3);
  }
}

TEST(threads_share_one_model) {
  const Golden golden("v1.0_gpt_f32");
  const Model model = golden.open(nullptr);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      const Aligned scratch(model.scratch_bytes());
      for (int i = 0; i < 10; ++i) {
        std::vector<float> got(golden.answers.size());
        model.predict(golden.windows.data(), golden.batch, got.data(), scratch.block);
        wrong += same_bits(got, golden.answers) ? 0 : 1;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK_EQ(wrong.load(), 0);
}

TEST(a_signal_patch_by_patch_has_the_bits_of_any_cut_on_every_isa) {
  for (const char* name : {"v1.0_streamgpt_f32", "v1.0_streamgpt_s8"}) {
    const Golden golden(name);
    std::vector<float> expected;
    for (const char* isa : isas()) {
      const Model model = golden.open(isa);
      const std::size_t P = model.config().patch, patches = golden.windows.size() / P;
      for (const std::size_t step : {1u, 2u, 5u, 30u}) {
        const Aligned state(model.state_bytes()), scratch(model.scratch_bytes());
        std::memset(state.block, 0, model.state_bytes());
        std::vector<float> got(model.config().n_outputs);
        const long before = allocations;
        for (std::size_t done = 0; done < patches; done += step) {
          std::memset(scratch.block, 0xFF, model.scratch_bytes());
          model.extend(state.block, golden.windows.data() + done * P, std::min(step, patches - done),
                       scratch.block);
        }
        model.answer(state.block, got.data(), scratch.block);
        CHECK_EQ(allocations.load(), before);
        if (expected.empty()) expected = got;
        CHECK(same_bits(got, expected));
      }
    }
  }
  CHECK_EQ(Golden("v1.0_gpt_f32").open(nullptr).state_bytes(), std::size_t{0});
}

TEST(a_signal_forgets_what_lies_behind_its_memory) {
  for (const char* name : {"v1.0_streamgpt_f32", "v1.0_streamgpt_s8"}) {
    const Golden golden(name);
    const Model model = golden.open(nullptr);
    const ModelConfig& c = model.config();
    const std::size_t memory = 2 * c.n_patches - 1 + c.n_layers * (c.reach - 1);
    const std::size_t patches = golden.windows.size() / c.patch;
    CHECK(patches > memory);
    const Aligned state(model.state_bytes()), scratch(model.scratch_bytes());
    const auto answer = [&](std::size_t first) {
      std::memset(state.block, 0, model.state_bytes());
      model.extend(state.block, golden.windows.data() + first * c.patch, patches - first, scratch.block);
      std::vector<float> got(c.n_outputs);
      model.answer(state.block, got.data(), scratch.block);
      return got;
    };
    CHECK(same_bits(answer(0), answer(patches - memory)));
    CHECK(!same_bits(answer(0), answer(patches - memory + 1)));
  }
}

TEST(a_forced_isa_is_used) {
  const Golden golden("v1.0_linear_f32");
  for (const char* isa : isas()) CHECK_EQ(std::string(golden.open(isa).isa()), std::string(isa));
  Model model;
  CHECK(Model::open_memory(golden.bytes->block, golden.size, "mmx", &model).status == Status::unknown_isa);
}

TEST(a_file_and_its_bytes_are_the_same_model) {
  Model model;
  const Error error = Model::open_file(path_of("v1.0_gpt_f32").c_str(), nullptr, &model);
  if (!CHECK(!error)) return;
  CHECK_EQ(model.parameters(), Golden("v1.0_gpt_f32").open(nullptr).parameters());
}

}  // namespace
