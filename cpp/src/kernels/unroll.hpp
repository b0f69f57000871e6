// GCC spills small arrays of vectors unless the loops over them are forced to unroll.
#pragma once

#if defined(__clang__)
#define PPGFAST_UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define PPGFAST_UNROLL _Pragma("GCC unroll 16")
#else
#define PPGFAST_UNROLL
#endif
