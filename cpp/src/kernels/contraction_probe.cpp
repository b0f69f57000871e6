// Compiled with the flags of each kernel file and never linked. Under -ffp-contract=off this is a
// multiplication and an addition; a fused instruction here means that kernels compute something else than
// their source says.

#include "strict_math.hpp"

namespace ppgfast::kernels {

float contraction_probe(float a, float b, float c);
float contraction_probe(float a, float b, float c) { return a * b + c; }

}  // namespace ppgfast::kernels
