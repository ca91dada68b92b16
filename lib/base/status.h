// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_BASE_STATUS_H
#define NORMD_BASE_STATUS_H

/*
 * The status codes, once: (name, number, meaning). The name is also the word that a client reads
 * at the start of an error ("BAD_SHAPE x: expected ..."). Numbers never change.
 */
#define NORMD_STATUS_MAP(X)                                                                        \
    X(OK, 0, "done")                                                                               \
    X(BAD_REQUEST, 1, "the message is no valid request")                                           \
    X(BAD_ARGUMENT, 2, "a field is missing, unknown, of the wrong type or out of range")           \
    X(BAD_SHAPE, 3, "an array does not have the shape that the session needs")                     \
    X(NO_SUCH_METHOD, 4, "no method has this name")                                                \
    X(NO_SUCH_SESSION, 5, "no session has this name")                                              \
    X(SESSION_EXISTS, 6, "a session of this name is there already")                                \
    X(NOT_FINITE, 7, "a training batch holds or leads to NaN or infinity")                         \
    X(CONTEXT_LOST, 8, "what backward needs of this forward step is no longer kept")               \
    X(TOO_LARGE, 9, "a message or a value is over its limit")                                      \
    X(BUSY, 10, "a budget of the daemon is used up; try again later")                              \
    X(NOT_AUTHENTICATED, 11, "the connection has not said who it is")                              \
    X(FORBIDDEN, 12, "the connection may not do this")                                             \
    X(SEQ_GAP, 13, "a sequence number was left out")                                               \
    X(SEQ_TOO_OLD, 14, "the sequence number is older than what is remembered")                     \
    X(SEQ_REUSED, 15, "the sequence number was used for another request")                          \
    X(UNKNOWN_CLIENT, 16, "the client is not known or was forgotten")                              \
    X(STORE_FAILED, 17, "the change could not be made durable and was not made")                   \
    X(SHUTTING_DOWN, 18, "the daemon takes no new work")                                           \
    X(INTERNAL, 19, "the daemon failed: out of memory or a bug")

typedef enum normd_status {
#define NORMD_STATUS_ENUM(name, number, meaning) NORMD_##name = (number),
    NORMD_STATUS_MAP(NORMD_STATUS_ENUM)
#undef NORMD_STATUS_ENUM
} normd_status;

/* The word of a status ("BAD_SHAPE"); static storage. */
const char *normd_status_name(normd_status status);

/* The status that a word of `length` bytes names, or -1. */
int normd_status_parse(const char *word, unsigned long length);

#endif
