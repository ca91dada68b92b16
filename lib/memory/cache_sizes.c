// SPDX-License-Identifier: Apache-2.0
#include "lib/memory/cache_sizes.h"

#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

enum { DEFAULT_SECOND = 1 << 20, DEFAULT_LAST = 8 << 20 };

#if defined(__x86_64__)
/*
 * A leaf that describes one cache in each of its subleaves, until one of type 0: Intel's is 4,
 * AMD's 0x8000001d, and both read the same (Intel SDM volume 2, CPUID; AMD APM volume 3, E.4.15).
 * These are what a core can reach. The C library's figure is not asked on these processors, because
 * up to glibc 2.36 it gives the third level of all dies of an AMD package together.
 */
static void read_leaf(unsigned leaf, normd_cache_sizes *sizes)
{
    enum { END = 0, INSTRUCTIONS = 2, MOST_CACHES = 16 };
    unsigned eax, ebx, ecx, edx, last_level = 0;
    for (unsigned i = 0; i < MOST_CACHES; i++) {
        if (!__get_cpuid_count(leaf, i, &eax, &ebx, &ecx, &edx) || (eax & 0x1fu) == END) {
            return;
        }
        unsigned level = eax >> 5 & 0x7u;
        size_t ways = (ebx >> 22) + 1u, partitions = (ebx >> 12 & 0x3ffu) + 1u;
        size_t line = (ebx & 0xfffu) + 1u, sets = (size_t)ecx + 1u;
        if ((eax & 0x1fu) == INSTRUCTIONS || level < 2) {
            continue;
        }
        size_t size = ways * partitions * line * sets;
        if (level == 2) {
            sizes->second = size;
        }
        if (level > last_level) {
            sizes->last = size;
            last_level = level;
        }
    }
}

static void read_processor(normd_cache_sizes *sizes)
{
    read_leaf(4, sizes);
    if (sizes->second == 0) {
        read_leaf(0x8000001du, sizes);
    }
}
#else
static void read_processor(normd_cache_sizes *sizes)
{
    (void)sizes;
}
#endif

static size_t known_or(int name, size_t otherwise)
{
    long size = sysconf(name);
    return size > 0 ? (size_t)size : otherwise;
}

normd_cache_sizes normd_cache_sizes_read(void)
{
    normd_cache_sizes sizes = {.second = 0};
    read_processor(&sizes);
    if (sizes.second == 0) {
        sizes.second = known_or(_SC_LEVEL2_CACHE_SIZE, DEFAULT_SECOND);
    }
    if (sizes.last == 0) {
        sizes.last = known_or(_SC_LEVEL3_CACHE_SIZE, DEFAULT_LAST);
    }
    if (sizes.last < sizes.second) {
        sizes.last = sizes.second;
    }
    return sizes;
}
