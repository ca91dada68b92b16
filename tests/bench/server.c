// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/server.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LINE_BYTES = 512, MAX_REPETITIONS = 1000, MAX_MILLISECONDS = 60000, MAX_THREADS = 1024 };

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

size_t bench_values(const bench_request *request)
{
    size_t values = 1;
    for (size_t axis = 0; axis < request->rank; axis++) {
        values *= request->dim[axis];
    }
    return values;
}

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static void store_float(void *values, size_t index, float value)
{
    ((float *)values)[index] = value;
}

static void store_double(void *values, size_t index, float value)
{
    ((double *)values)[index] = (double)value;
}

/* The upper half of a float. */
static void store_bfloat16(void *values, size_t index, float value)
{
    ((uint16_t *)values)[index] = (uint16_t)(bits_of(value) >> 16);
}

/* Five bits of exponent, ten digits; what would be a denormal is 0. */
static void store_half(void *values, size_t index, float value)
{
    const uint32_t least = 0x38800000u; /* 2^-14 */
    uint32_t bits = bits_of(value), rest = bits & 0x7fffffffu;
    uint32_t sign = bits >> 16 & 0x8000u;
    ((uint16_t *)values)[index] =
        (uint16_t)(sign | (rest < least ? 0 : (rest - least + 0x800000u) >> 13));
}

static const struct type_row {
    const char *name;
    size_t bytes;
    void (*store)(void *values, size_t index, float value);
} type_table[] = {
    {"float32", 4, store_float},
    {"float64", 8, store_double},
    {"bfloat16", 2, store_bfloat16},
    {"float16", 2, store_half},
};

static const struct type_row *find_type(const char *dtype)
{
    for (size_t i = 0; i < sizeof type_table / sizeof *type_table; i++) {
        if (strcmp(type_table[i].name, dtype) == 0) {
            return &type_table[i];
        }
    }
    return NULL;
}

size_t bench_type_bytes(const char *dtype)
{
    const struct type_row *type = find_type(dtype);
    return type != NULL ? type->bytes : 0;
}

void bench_fill(const char *dtype, void *values, size_t count)
{
    const struct type_row *type = find_type(dtype);
    uint64_t state = 1;
    for (size_t i = 0; i < count; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        type->store(values, i, (float)(state >> 40) * 0x1p-22F - 1.0F);
    }
}

/* Reads "32,64,56,56"; at least N and C, none of them 0, and a product that stays small. */
static bool read_shape(const char *text, bench_request *request)
{
    const size_t most = (size_t)1 << 32;
    size_t values = 1;
    for (request->rank = 0; request->rank < BENCH_MAX_RANK; request->rank++) {
        char *end;
        size_t extent = strtoull(text, &end, 10);
        if (end == text || extent == 0 || extent > most / values) {
            return false;
        }
        values *= extent;
        request->dim[request->rank] = extent;
        if (*end == '\0') {
            request->rank++;
            return request->rank >= 2;
        }
        text = end + (*end == ',');
    }
    return false;
}

static bool read_request(const char *line, bench_request *request)
{
    char layout[BENCH_WORD_BYTES];
    char shape[BENCH_WORD_BYTES * 4];
    int fields = sscanf(line, "time %31s %31s %31s %127s threads %d repetitions %d milliseconds %d",
        request->operation, request->dtype, layout, shape, &request->threads, &request->repetitions,
        &request->milliseconds);
    if (fields != 7 || (strcmp(layout, "first") != 0 && strcmp(layout, "last") != 0)) {
        return false;
    }
    request->channels_last = strcmp(layout, "last") == 0;
    return read_shape(shape, request) && request->threads >= 1 && request->threads <= MAX_THREADS &&
           request->repetitions >= 1 && request->repetitions <= MAX_REPETITIONS &&
           request->milliseconds >= 0 && request->milliseconds <= MAX_MILLISECONDS;
}

/* Seconds of `calls` calls; negative after a failure. */
static double time_calls(const bench_program *program, size_t calls)
{
    double begin = seconds_now();
    bool ok = program->run(program->self, calls);
    return ok ? seconds_now() - begin : -1.0;
}

/* How many calls fill `wanted` seconds. Finding out also warms up: pages, caches, threads. */
static size_t count_calls(const bench_program *program, double wanted)
{
    size_t calls = 1;
    double seconds = time_calls(program, calls);
    while (seconds >= 0 && seconds < wanted / 4) {
        calls *= 2;
        seconds = time_calls(program, calls);
    }
    if (seconds < 0) {
        return 0;
    }
    double needed = wanted / (seconds / (double)calls);
    return needed > 1.0 ? (size_t)needed + 1 : 1;
}

static void measure(const bench_program *program, const bench_request *request)
{
    static double seconds[MAX_REPETITIONS];
    size_t calls = count_calls(program, 1e-3 * request->milliseconds);
    bool ok = calls > 0;
    for (int i = 0; i < request->repetitions && ok; i++) {
        seconds[i] = time_calls(program, calls);
        ok = seconds[i] >= 0;
    }
    if (!ok) {
        puts("error the operation failed");
        return;
    }
    fputs("seconds", stdout);
    for (int i = 0; i < request->repetitions; i++) {
        printf(" %.9g", seconds[i] / (double)calls);
    }
    putchar('\n');
}

static void answer(const bench_program *program, const char *line)
{
    bench_request request = {.rank = 0};
    if (strcmp(line, "info") == 0) {
        printf("info %s\n", program->info);
        return;
    }
    if (!read_request(line, &request)) {
        printf("error expected info or time ..., got %s\n", line);
        return;
    }
    char reason[BENCH_REASON_BYTES] = "";
    bench_answer prepared = program->prepare(program->self, &request, reason);
    if (prepared == BENCH_READY) {
        measure(program, &request);
    } else {
        printf("%s %s\n", prepared == BENCH_ABSENT ? "absent" : "error", reason);
    }
}

int bench_serve(const bench_program *program)
{
    char line[LINE_BYTES];
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        answer(program, line);
        if (fflush(stdout) != 0) {
            return EXIT_FAILURE;
        }
    }
    return EXIT_SUCCESS;
}
