// Same bits everywhere need the arithmetic that the source states. (Contraction into fused operations leaves
// no macro: cmake/check_contraction.cmake looks for it in the compiled probe.)
#pragma once

#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) || \
    (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "ppgfast returns the same bits on every CPU: compile it without -ffast-math, -Ofast and their parts"
#endif
