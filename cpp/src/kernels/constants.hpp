// The polynomials that all tables share. Fitted for this project by iteratively reweighted least squares.
#pragma once

#include "strict_math.hpp"

namespace ppgfast::kernels {

// exp(x) = 2^n p(r) with n = round(x / ln 2), r = x - n ln 2 in two steps; p(r) = 1 + r + r^2 (c2 + r (c3 +
// ...)). x is held in [exp_lowest, exp_highest], where 2^n is a normal number. Relative error below 1.2e-7.
constexpr float exp_lowest = -87.0f;
constexpr float exp_highest = 88.0f;
constexpr float log2_e = 1.44269504f;
constexpr float ln2_high = 0.693359375f;    // 9 bits, so that n * ln2_high is exact
constexpr float ln2_low = -2.12194440e-4f;  // ln 2 - ln2_high
constexpr float round_magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to the nearest integer
constexpr float exp_polynomial[] = {0.4999999403953552f, 0.1666652113199234f, 0.04166838899254799f,
                                    0.0083687175065279f, 0.001381461275741458f};

// erf(z) = z P(z^2) / Q(z^2) for |z| <= erf_limit, beyond which float32 erf is 1. Error below 4e-7.
constexpr float erf_limit = 3.925f;
constexpr float erf_numerator[] = {1.1283791065216064f,    0.1905888020992279f,    0.05276864394545555f,
                                   0.0037723351269960403f, 0.0002848382864613086f, 2.0460618088691263e-06f};
constexpr float erf_denominator[] = {1.0f,
                                     0.5022376775741577f,
                                     0.11418066918849945f,
                                     0.014982771128416061f,
                                     0.0011638046707957983f,
                                     3.804785228567198e-05f};
constexpr float sqrt_half = 0.70710678f;

constexpr float tiny_square = 1e-12f;  // losses: a squared length up to here counts as zero

}  // namespace ppgfast::kernels
