// Included before each file of llama.cpp where the compiler is GCC 12 or older: its AMX intrinsics do not say that they
// read memory, so that the compiler drops what is written for them and the first tile product faults. Later compilers
// do not need this.
#pragma once
#if defined(__AMX_TILE__) && defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
#include <immintrin.h>
#undef _tile_loadd
// The number may itself be a macro, hence two steps.
#define _tile_loadd(tile, base, stride) FACULTY_LOAD_TILE(tile, base, stride)
#define FACULTY_LOAD_TILE(tile, base, stride)                                                       \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #tile                                             \
                     :                                                                              \
                     : "r"((const void *)(base)), "r"((long)(stride))                               \
                     : "memory")
static inline void faculty_load_tile_config(const void *config) {
    __asm__ volatile("ldtilecfg (%0)" : : "r"(config) : "memory");
}
#define _tile_loadconfig faculty_load_tile_config
#endif
