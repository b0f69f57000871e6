#include <ppgfast/ppgfast.h>
#include <stdio.h>

int main(void) {
  int supported = 0;
  const char* const name = ppgfast_isa(0, &supported);
  printf("ppgfast %s %s %d\n", ppgfast_version(), name, supported);
  return 0;
}
