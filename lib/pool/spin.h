// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_POOL_SPIN_H
#define NORMD_POOL_SPIN_H

/*
 * Waiting without sleeping, in turns of nearly the same length everywhere. The processor's pause
 * alone takes 10 to 140 cycles, which depends on the model; the multiplications, each of which
 * waits for the one before, take 3 or 4 cycles each on all. Together a turn takes 20 to 90 ns. No
 * clock is read: this box has none, and this is exact enough.
 */
enum {
    NORMD_SPIN_MULTIPLICATIONS = 32,
    /* About 5 microseconds: for a thread that has no reason to expect work. */
    NORMD_SPIN_SHORT_TURNS = 150,
    /* 50 to 100 microseconds: for a thread that does. A sleeping thread takes as long until it runs
       again, so waiting in vain costs at most twice the better choice. */
    NORMD_SPIN_LONG_TURNS = 2000,
    /* Between two looks at what changes seldom. */
    NORMD_SPIN_LOOK_TURNS = 32,
};

static inline void normd_spin_turn(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
    unsigned long product = 1;
    for (int i = 0; i < NORMD_SPIN_MULTIPLICATIONS; i++) {
        product *= 3;
        __asm__ volatile("" : "+r"(product));
    }
}

#endif
