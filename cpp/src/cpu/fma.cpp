// For MinGW, whose own fmaf() rounds twice: first to the long double of the x87, then to float.
#include <cmath>
#include <cstdint>
#include <cstring>

extern "C" float fmaf(float a, float b, float c) {
  const double product = static_cast<double>(a) * static_cast<double>(b);  // exact: 48 bits
  double sum = product + static_cast<double>(c);
  const double added = sum - product;
  const double error = (product - (sum - added)) + (static_cast<double>(c) - added);
  // Rounded to odd, the sum rounds to float as the exact one does (Boldo and Melquiond, 2008).
  std::uint64_t bits;
  std::memcpy(&bits, &sum, sizeof(bits));
  if ((error < 0.0 || error > 0.0) && bits % 2 == 0) {
    bits += (error > 0.0) == (sum > 0.0) ? 1 : -1;
    std::memcpy(&sum, &bits, sizeof(sum));
  }
  return static_cast<float>(sum);
}
