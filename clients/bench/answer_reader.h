// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_CLIENTS_BENCH_ANSWER_READER_H
#define NORMD_CLIENTS_BENCH_ANSWER_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/frame.h"

/*
 * Finds the answers in what a connection receives, in any pieces, without building anything: the
 * end by the frame scanner, the envelope from the first bytes. Where all answers must be the same
 * but for their id, they are compared with the one that is expected, and an answer that lies whole
 * in the piece costs one comparison.
 */
typedef struct normd_expected_answer {
    const uint8_t *bytes; /* all behind the id; NULL when any answer will do */
    size_t size;
} normd_expected_answer;

enum { NORMD_ANSWER_START_BYTES = 128 };

typedef struct normd_answer_reader {
    normd_frame frame;
    normd_expected_answer expected;
    uint8_t start[NORMD_ANSWER_START_BYTES]; /* the first bytes of the message */
    uint64_t at;                             /* bytes of the message so far */
    bool differs;                            /* from what is expected */
    /* Of the answer that was found: */
    uint32_t id;
    bool refused;
} normd_answer_reader;

typedef enum normd_answer_event {
    NORMD_ANSWER_MORE,  /* all bytes were taken */
    NORMD_ANSWER_FOUND, /* `id` and `refused` tell; as expected, or refused */
    NORMD_ANSWER_WRONG, /* an answer, but not the one that is expected */
    NORMD_ANSWER_BAD,   /* no answer: the stream cannot be followed any more */
} normd_answer_event;

void normd_answer_reader_start(normd_answer_reader *reader, normd_expected_answer expected);
/* Takes bytes up to the end of an answer; `taken` says how many. */
normd_answer_event normd_answer_reader_take(
    normd_answer_reader *reader, const uint8_t *bytes, size_t size, size_t *taken);
/* Bytes of the envelope in front of the error: "94 01 id"; 0 when the start is none. */
size_t normd_answer_reader_prefix(const normd_answer_reader *reader);
/* The text of a refusal, cut where `start` ends. Returns `text`. */
const char *normd_answer_reader_text(
    const normd_answer_reader *reader, char text[static NORMD_ANSWER_START_BYTES]);

#endif
