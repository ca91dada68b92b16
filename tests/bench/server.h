// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_TESTS_BENCH_SERVER_H
#define NORMD_TESTS_BENCH_SERVER_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The line protocol of a program that is measured: the driver sends one request at a time to its
 * standard input and reads one line of answer, so that several programs take turns in one run.
 *
 *   info
 *       -> info TEXT                       what runs: versions, instruction set
 *   time OPERATION DTYPE LAYOUT SHAPE threads T repetitions R milliseconds M
 *       -> seconds S1 S2 ... SR            of one call, each the mean over M milliseconds of calls
 *       -> absent REASON                   this program does not have that
 *       -> error REASON
 *
 * OPERATION is train_forward, eval_forward, forward_backward, or one of passes.h: copy,
 * copy_streamed, read, write, write_streamed; DTYPE float32, bfloat16, ...; LAYOUT first or last
 * (where the channels are); SHAPE N,C or N,C,... whatever the layout.
 */
enum { BENCH_MAX_RANK = 5, BENCH_REASON_BYTES = 256, BENCH_WORD_BYTES = 32 };

typedef struct bench_request {
    char operation[BENCH_WORD_BYTES];
    char dtype[BENCH_WORD_BYTES];
    bool channels_last;
    size_t rank;
    size_t dim[BENCH_MAX_RANK]; /* N, C, ... */
    int threads;
    int repetitions;
    int milliseconds;
} bench_request;

typedef enum bench_answer { BENCH_READY, BENCH_ABSENT, BENCH_ERROR } bench_answer;

typedef struct bench_program {
    void *self;
    const char *info;
    /* Makes everything that the request needs, outside of the timing. `reason` (of
       BENCH_REASON_BYTES) is written unless it is ready. What an earlier call made may be kept or
       replaced. */
    bench_answer (*prepare)(void *self, const bench_request *request, char *reason);
    /* Runs the prepared operation `calls` times and returns when the last one has ended. False
       after a failure. */
    bool (*run)(void *self, size_t calls);
} bench_program;

/* Answers requests until the input ends. Returns an exit code. */
int bench_serve(const bench_program *program);

/* The number of values of the request's shape. */
size_t bench_values(const bench_request *request);

/* Bytes of a value of the type of that name; 0: there is none. */
size_t bench_type_bytes(const char *dtype);

/* Writes `count` values of a type that there is, between -1 and 3, the same ones in every program;
   types of 16 bits cut their digits off. */
void bench_fill(const char *dtype, void *values, size_t count);

#endif
