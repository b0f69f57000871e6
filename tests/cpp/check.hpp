// A test program in one header: include it in the one .cpp file of the program.
//
//   TEST(adds_up) { CHECK_EQ(1 + 1, 2); }
//
// The program runs every test, or those whose name contains its first argument, and returns 1 if one failed.
// CHECK and CHECK_EQ go on after a failure and are true when they held: `if (!CHECK(p)) return;`.
#pragma once

#include <cstdio>
#include <cstring>
#include <exception>
#include <iostream>
#include <sstream>
#include <string>
#include <type_traits>
#include <vector>

namespace check {

struct Case {
  const char* name;
  void (*run)();
};

struct State {
  std::vector<Case> cases;
  int failures = 0;  // of the running test
  std::string skipped;
};

inline State& state() {
  static State instance;
  return instance;
}

inline bool add(const char* name, void (*run)()) {
  state().cases.push_back({name, run});
  return true;
}

// Leaves the test out with a reason that is printed: `return check::skip("this CPU has no AVX2");`.
inline void skip(const std::string& reason) { state().skipped = reason; }

template <class T, class = void>
struct Printable : std::false_type {};
template <class T>
struct Printable<T, std::void_t<decltype(std::declval<std::ostream&>() << std::declval<const T&>())>>
    : std::true_type {};

template <class T>
std::string text(const T& value) {
  std::ostringstream out;
  out.precision(17);
  if constexpr (std::is_same_v<T, bool>) {
    out << (value ? "true" : "false");
  } else if constexpr (std::is_integral_v<T> || std::is_enum_v<T>) {
    out << static_cast<long long>(value);
  } else if constexpr (Printable<T>::value) {
    out << value;
  } else {
    out << "(" << sizeof(T) << " bytes)";
  }
  return out.str();
}

// Compares integers by value whatever their signs, C strings by content, all else with ==.
template <class A, class B>
bool equal(const A& a, const B& b) {
  if constexpr (std::is_integral_v<A> && std::is_integral_v<B>) {
    if constexpr (std::is_signed_v<A> != std::is_signed_v<B>) {
      if constexpr (std::is_signed_v<A>) return a >= 0 && static_cast<std::make_unsigned_t<A>>(a) == b;
      if constexpr (std::is_signed_v<B>) return b >= 0 && a == static_cast<std::make_unsigned_t<B>>(b);
    } else {
      return a == b;
    }
  } else if constexpr (std::is_convertible_v<A, const char*> && std::is_convertible_v<B, const char*>) {
    return std::strcmp(a, b) == 0;
  } else {
    return a == b;
  }
}

inline bool fail(const char* file, int line, const std::string& what) {
  constexpr int printed = 20;  // of one test: a loop over a million values stays readable
  const int n = ++state().failures;
  if (n <= printed) std::cerr << file << ":" << line << ": " << what << "\n";
  if (n == printed) std::cerr << "  (further failures of this test are only counted)\n";
  return false;
}

template <class A, class B>
bool check_equal(const char* file, int line, const char* expression, const A& a, const B& b) {
  if (equal(a, b)) return true;
  return fail(file, line, std::string(expression) + ": " + text(a) + " != " + text(b));
}

inline int run(int argc, char** argv) {
  const std::string filter = argc > 1 ? argv[1] : "";
  int ran = 0;
  int failed = 0;
  for (const Case& test : state().cases) {
    if (std::string(test.name).find(filter) == std::string::npos) continue;
    state().failures = 0;
    state().skipped.clear();
    try {
      test.run();
    } catch (const std::exception& e) {
      fail(test.name, 0, std::string("threw: ") + e.what());
    }
    ++ran;
    failed += state().failures != 0;
    if (state().failures != 0) {
      std::cout << "FAIL " << test.name << " (" << state().failures << ")\n";
    } else if (!state().skipped.empty()) {
      std::cout << "skip " << test.name << ": " << state().skipped << "\n";
    } else {
      std::cout << "ok   " << test.name << "\n";
    }
    std::cout.flush();
  }
  std::cout << ran - failed << " of " << ran << " passed\n";
  if (ran == 0) std::cerr << "no test has '" << filter << "' in its name\n";
  return failed != 0 || ran == 0;
}

}  // namespace check

#define TEST(name)                                                 \
  static void test_##name();                                       \
  static const bool added_##name = check::add(#name, test_##name); \
  static void test_##name()

#define CHECK(condition) \
  (static_cast<bool>(condition) ? true : check::fail(__FILE__, __LINE__, "not true: " #condition))
#define CHECK_EQ(a, b) check::check_equal(__FILE__, __LINE__, #a " == " #b, a, b)

int main(int argc, char** argv) { return check::run(argc, argv); }
