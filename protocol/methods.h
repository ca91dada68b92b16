// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_PROTOCOL_METHODS_H
#define NORMD_PROTOCOL_METHODS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The methods, once. A row: (NAME, wire name, class, MUTATES or READS). A method that MUTATES makes
 * a change that is applied once when the request says `client` and `seq`, see once.h. A row's place
 * is its number in what a daemon keeps on disk: new rows come last. The class says where a method
 * runs:
 *   LOOP   answered by the event loop, at once
 *   SERVE  reads a snapshot: on the loop when tiny, else in the pool's serving lane
 *   TRAIN  changes a session: in the session's queue, one after another
 *   MANAGE changes the set of sessions: the work in the pool, the set on the loop
 *   STORE  works on what is on disk: on a thread of the store's
 */
#define NORMD_METHOD_MAP(X)                                                                        \
    X(HELLO, "hello", LOOP, READS)                                                                 \
    X(PING, "ping", LOOP, READS)                                                                   \
    X(SERVER_INFO, "server.info", LOOP, READS)                                                     \
    X(SESSION_CREATE, "session.create", MANAGE, MUTATES)                                           \
    X(SESSION_LIST, "session.list", LOOP, READS)                                                   \
    X(SESSION_DESCRIBE, "session.describe", SERVE, READS)                                          \
    X(SESSION_DELETE, "session.delete", MANAGE, MUTATES)                                           \
    X(SESSION_EXPORT, "session.export", SERVE, READS)                                              \
    X(SESSION_IMPORT, "session.import", MANAGE, MUTATES)                                           \
    X(SESSION_CONVERT, "session.convert", TRAIN, MUTATES)                                          \
    X(SESSION_COPY, "session.copy", MANAGE, MUTATES)                                               \
    X(OPTIMIZER_SET, "optimizer.set", TRAIN, MUTATES)                                              \
    X(FORWARD, "forward", TRAIN, MUTATES)                                                          \
    X(BACKWARD, "backward", TRAIN, MUTATES)                                                        \
    X(STEP, "step", TRAIN, MUTATES)                                                                \
    X(TRAIN, "train", TRAIN, MUTATES)                                                              \
    X(EVALUATE, "evaluate", SERVE, READS)                                                          \
    X(INFER, "infer", SERVE, READS)                                                                \
    X(STATS, "stats", SERVE, READS)                                                                \
    X(STATS_RESET, "stats.reset", TRAIN, MUTATES)                                                  \
    X(STATS_RECALIBRATE, "stats.recalibrate", TRAIN, MUTATES)                                      \
    X(STATS_FREEZE, "stats.freeze", TRAIN, MUTATES)                                                \
    X(STATS_THAW, "stats.thaw", TRAIN, MUTATES)                                                    \
    X(STATS_BATCH, "stats.batch", TRAIN, READS)                                                    \
    X(STATS_DRIFT, "stats.drift", SERVE, READS)                                                    \
    X(SERVER_SAVE, "server.save", STORE, READS)

typedef enum normd_method_class {
    NORMD_CLASS_LOOP,
    NORMD_CLASS_SERVE,
    NORMD_CLASS_TRAIN,
    NORMD_CLASS_MANAGE,
    NORMD_CLASS_STORE,
} normd_method_class;

typedef enum normd_method_id {
#define NORMD_METHOD_ENUM(name, wire, class, change) NORMD_METHOD_##name,
    NORMD_METHOD_MAP(NORMD_METHOD_ENUM)
#undef NORMD_METHOD_ENUM
        NORMD_METHOD_COUNT
} normd_method_id;

/* What a field of `params` holds. */
typedef enum normd_kind {
    NORMD_KIND_STRING,
    NORMD_KIND_BOOL,
    NORMD_KIND_UINT,
    NORMD_KIND_ARRAY, /* a msgpack-numpy map */
    NORMD_KIND_BYTES, /* bin or str */
    NORMD_KIND_TREE,  /* any value, checked by who reads it: options */
} normd_kind;

typedef struct normd_field {
    const char *name;
    size_t name_length;
    normd_kind kind;
    bool required;
    const char *expected; /* for messages; NULL: what the kind is */
} normd_field;

enum { NORMD_MAX_FIELDS = 12 };

/* A method and its fields; `fields` ends at `field_count`. Handlers reach a field by its index in
   this list, for which methods.c's neighbours declare enums (see the NORMD_FIELD_ enums below). */
typedef struct normd_method {
    normd_method_id id;
    const char *name;
    size_t name_length;
    normd_method_class class;
    bool mutates; /* takes `client` and `seq`, which are not in `fields` */
    const normd_field *fields;
    size_t field_count;
} normd_method;

const normd_method *normd_method_get(normd_method_id id);
/* NULL when there is none. */
const normd_method *normd_method_find(const char *name, size_t length);

/* The fields of every method, in the order of the lists in PROTOCOL.md. */
enum { NORMD_HELLO_CLIENT, NORMD_HELLO_TOKEN };
enum {
    NORMD_CREATE_SESSION,
    NORMD_CREATE_LAYERS,
    NORMD_CREATE_INPUT,
    NORMD_CREATE_LOSS,
    NORMD_CREATE_METRICS,
    NORMD_CREATE_OPTIMIZER,
    NORMD_CREATE_CONVENTION,
    NORMD_CREATE_DTYPE,
    NORMD_CREATE_SEED,
    NORMD_CREATE_IF_EXISTS,
};
enum { NORMD_DESCRIBE_SESSION, NORMD_DESCRIBE_CONVENTION };
enum { NORMD_DELETE_SESSION };
enum {
    NORMD_EXPORT_SESSION,
    NORMD_EXPORT_FORMAT,
    NORMD_EXPORT_OPTIMIZER,
    NORMD_EXPORT_FOLD,
};
enum { NORMD_IMPORT_SESSION, NORMD_IMPORT_FORMAT, NORMD_IMPORT_DATA };
enum { NORMD_CONVERT_SESSION, NORMD_CONVERT_CONVENTION, NORMD_CONVERT_OPTIMIZER };
enum { NORMD_COPY_SESSION, NORMD_COPY_TO, NORMD_COPY_WEIGHTS, NORMD_COPY_IF_EXISTS };
enum {
    NORMD_OPTIMIZER_SET_SESSION,
    NORMD_OPTIMIZER_SET_LR,
    NORMD_OPTIMIZER_SET_WEIGHT_LR,
    NORMD_OPTIMIZER_SET_BIAS_LR,
    NORMD_OPTIMIZER_SET_SCHEDULE,
    NORMD_OPTIMIZER_SET_AVERAGING,
    NORMD_OPTIMIZER_SET_METRIC,
};
enum { NORMD_FORWARD_SESSION, NORMD_FORWARD_X, NORMD_FORWARD_MASK, NORMD_FORWARD_UPDATE_STATS };
enum { NORMD_BACKWARD_SESSION, NORMD_BACKWARD_STEP, NORMD_BACKWARD_DY, NORMD_BACKWARD_APPLY };
enum { NORMD_STEP_SESSION };
enum {
    NORMD_TRAIN_SESSION,
    NORMD_TRAIN_X,
    NORMD_TRAIN_TARGET,
    NORMD_TRAIN_SAMPLE_WEIGHT,
    NORMD_TRAIN_MASK,
};
enum {
    NORMD_EVALUATE_SESSION,
    NORMD_EVALUATE_X,
    NORMD_EVALUATE_TARGET,
    NORMD_EVALUATE_SAMPLE_WEIGHT,
    NORMD_EVALUATE_MASK,
};
enum { NORMD_INFER_SESSION, NORMD_INFER_X };
enum { NORMD_STATS_SESSION, NORMD_STATS_LAYER, NORMD_STATS_CONVENTION };
enum { NORMD_RESET_SESSION, NORMD_RESET_LAYER };
enum {
    NORMD_RECALIBRATE_SESSION,
    NORMD_RECALIBRATE_X,
    NORMD_RECALIBRATE_MASK,
    NORMD_RECALIBRATE_MODE,
    NORMD_RECALIBRATE_FINISH,
    NORMD_RECALIBRATE_RESTART,
};
enum { NORMD_FREEZE_SESSION, NORMD_FREEZE_LAYER, NORMD_FREEZE_PARAMETERS };
enum { NORMD_BATCH_SESSION, NORMD_BATCH_X, NORMD_BATCH_MASK, NORMD_BATCH_LAYER };
enum { NORMD_DRIFT_SESSION, NORMD_DRIFT_X, NORMD_DRIFT_LAYER };
enum { NORMD_SAVE_NAME };

#endif
