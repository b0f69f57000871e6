# Arm Cortex-M without an operating system, with Debian's cross compiler; firmware runs under qemu-system-arm.
# PPGFAST_MCU names the processor: m4, m7, m33 or m55.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_C_COMPILER arm-none-eabi-gcc)
set(CMAKE_CXX_COMPILER arm-none-eabi-g++)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES PPGFAST_MCU)

# Processor, board that qemu has with it, where its vectors and code and its RAM start, and its clock in MHz.
set(board_m4 cortex-m4 mps2-an386 0x00000000 0x20000000 25)
set(board_m7 cortex-m7 mps2-an500 0x00000000 0x20000000 25)
set(board_m33 cortex-m33 mps2-an505 0x10000000 0x38000000 20)
set(board_m55 cortex-m55 mps3-an547 0x10000000 0x30000000 32)
list(GET board_${PPGFAST_MCU} 0 cpu)
list(GET board_${PPGFAST_MCU} 1 PPGFAST_MCU_BOARD)
list(GET board_${PPGFAST_MCU} 2 PPGFAST_MCU_FLASH)
list(GET board_${PPGFAST_MCU} 3 PPGFAST_MCU_RAM)
list(GET board_${PPGFAST_MCU} 4 PPGFAST_MCU_MHZ)
set(CMAKE_SYSTEM_PROCESSOR ${cpu})

# Not -ffreestanding: it turns every small memcpy into a call.
set(flags "-mthumb -mcpu=${cpu} -mfloat-abi=hard -mfpu=auto -ffunction-sections -fdata-sections")
set(CMAKE_C_FLAGS_INIT "${flags}")
set(CMAKE_CXX_FLAGS_INIT "${flags} -fno-exceptions -fno-rtti -fno-threadsafe-statics")
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-system-arm -M ${PPGFAST_MCU_BOARD} -nographic -monitor none -serial none
  -icount shift=0 -semihosting-config enable=on,target=native -kernel)
