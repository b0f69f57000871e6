// The first instructions of a firmware, and the few calls of semihosting that let a test speak.
#include "startup.h"

extern uint32_t stack_top, data_in_flash, data_start, data_end, bss_start, bss_end;
extern void (*init_array_start[])(void), (*init_array_end[])(void);

// Asks the debugger, or the emulator, for a service.
static int semihost(int operation, const void* argument) {
  register int r0 __asm__("r0") = operation;
  register const void* r1 __asm__("r1") = argument;
  __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
  return r0;
}

void write_text(const char* text) { semihost(0x04, text); }

void write_number(uint32_t number) {
  char digits[11];
  char* at = digits + sizeof(digits) - 1;
  *at = '\0';
  do *--at = (char)('0' + number % 10);
  while (number /= 10);
  write_text(at);
}

void leave(int status) {
  const uint32_t reason[2] = {0x20026, (uint32_t)status};  // the application ended, with this status
  semihost(0x20, reason);
  for (;;) {
  }
}

// Counts down with the board's clock.
static volatile uint32_t* const systick = (volatile uint32_t*)0xE000E010;
static uint32_t wraps;

static void on_systick(void) { ++wraps; }

uint32_t ticks(void) {
  uint32_t before, now;
  do {
    before = wraps;
    now = systick[2];
  } while (before != wraps);
  return (before << 24) + (0xFFFFFF - now);
}

static void reset(void) {
  for (uint32_t *from = &data_in_flash, *to = &data_start; to < &data_end;) *to++ = *from++;
  for (uint32_t* to = &bss_start; to < &bss_end;) *to++ = 0;
  *(volatile uint32_t*)0xE000ED88 |= 0xFu << 20;  // the floating-point and vector units may be used
  __asm__ volatile("dsb\n isb");
#if defined(__ARM_FEATURE_MVE)
  *(volatile uint32_t*)0xE000ED14 |= 1u << 19;  // low-overhead loops too
  __asm__ volatile("dsb\n isb");
#endif
  systick[1] = 0xFFFFFF;
  systick[2] = 0;
  systick[0] = 7;  // on, with an interrupt, at the processor's clock
  for (void (**init)(void) = init_array_start; init < init_array_end; ++init) (*init)();
  leave(firmware());
}

static void fault(void) {
  write_text("fault\n");
  leave(99);
}

__attribute__((section(".vectors"), used)) static const void* const vectors[16] = {
    &stack_top, reset, fault, fault, fault, fault, fault, 0, 0, 0, 0, fault, fault, 0, fault, on_systick};
