#pragma once

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

int firmware(void);  // the program; what it returns is the exit status
void write_text(const char* text);
void write_number(uint32_t number);
void leave(int status);
uint32_t ticks(void);  // of the board's clock

#ifdef __cplusplus
}
#endif
