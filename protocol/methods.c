// SPDX-License-Identifier: Apache-2.0
#include "protocol/methods.h"

#include <string.h>

#define NAMED(wire) .name = (wire), .name_length = sizeof(wire) - 1
#define REQUIRED(wire, what)                                                                       \
    {                                                                                              \
        NAMED(wire), .kind = NORMD_KIND_##what, .required = true                                   \
    }
#define OPTIONAL(wire, what)                                                                       \
    {                                                                                              \
        NAMED(wire), .kind = NORMD_KIND_##what, .required = false                                  \
    }

static const normd_field hello_fields[] = {
    [NORMD_HELLO_CLIENT] = OPTIONAL("client", STRING),
    [NORMD_HELLO_TOKEN] = OPTIONAL("token", STRING),
};

static const normd_field session_create_fields[] = {
    [NORMD_CREATE_SESSION] = REQUIRED("session", STRING),
    [NORMD_CREATE_LAYERS] = {NAMED("layers"), .kind = NORMD_KIND_TREE, .required = true,
        .expected = "a list of maps"},
    [NORMD_CREATE_INPUT] = OPTIONAL("input", TREE),
    [NORMD_CREATE_LOSS] = OPTIONAL("loss", TREE),
    [NORMD_CREATE_METRICS] = OPTIONAL("metrics", TREE),
    [NORMD_CREATE_OPTIMIZER] = OPTIONAL("optimizer", TREE),
    [NORMD_CREATE_CONVENTION] = OPTIONAL("convention", STRING),
    [NORMD_CREATE_DTYPE] = OPTIONAL("dtype", STRING),
    [NORMD_CREATE_SEED] = OPTIONAL("seed", UINT),
    [NORMD_CREATE_IF_EXISTS] = OPTIONAL("if_exists", STRING),
};

static const normd_field session_describe_fields[] = {
    [NORMD_DESCRIBE_SESSION] = REQUIRED("session", STRING),
    [NORMD_DESCRIBE_CONVENTION] = OPTIONAL("convention", STRING),
};

static const normd_field session_delete_fields[] = {
    [NORMD_DELETE_SESSION] = REQUIRED("session", STRING),
};

static const normd_field session_export_fields[] = {
    [NORMD_EXPORT_SESSION] = REQUIRED("session", STRING),
    [NORMD_EXPORT_FORMAT] = REQUIRED("format", STRING),
    [NORMD_EXPORT_OPTIMIZER] = OPTIONAL("optimizer", BOOL),
    [NORMD_EXPORT_FOLD] = OPTIONAL("fold", BOOL),
};

static const normd_field session_import_fields[] = {
    [NORMD_IMPORT_SESSION] = REQUIRED("session", STRING),
    [NORMD_IMPORT_FORMAT] = OPTIONAL("format", STRING),
    [NORMD_IMPORT_DATA] = REQUIRED("data", BYTES),
};

static const normd_field session_convert_fields[] = {
    [NORMD_CONVERT_SESSION] = REQUIRED("session", STRING),
    [NORMD_CONVERT_CONVENTION] = REQUIRED("convention", STRING),
    [NORMD_CONVERT_OPTIMIZER] = OPTIONAL("optimizer", TREE),
};

static const normd_field session_copy_fields[] = {
    [NORMD_COPY_SESSION] = REQUIRED("session", STRING),
    [NORMD_COPY_TO] = REQUIRED("to", STRING),
    [NORMD_COPY_WEIGHTS] = OPTIONAL("weights", STRING),
    [NORMD_COPY_IF_EXISTS] = OPTIONAL("if_exists", STRING),
};

static const normd_field optimizer_set_fields[] = {
    [NORMD_OPTIMIZER_SET_SESSION] = REQUIRED("session", STRING),
    [NORMD_OPTIMIZER_SET_LR] = OPTIONAL("lr", TREE),
    [NORMD_OPTIMIZER_SET_WEIGHT_LR] = OPTIONAL("weight_lr", TREE),
    [NORMD_OPTIMIZER_SET_BIAS_LR] = OPTIONAL("bias_lr", TREE),
    [NORMD_OPTIMIZER_SET_SCHEDULE] = OPTIONAL("schedule", TREE),
    [NORMD_OPTIMIZER_SET_AVERAGING] = OPTIONAL("averaging", TREE),
    [NORMD_OPTIMIZER_SET_METRIC] = OPTIONAL("metric", TREE),
};

static const normd_field forward_fields[] = {
    [NORMD_FORWARD_SESSION] = REQUIRED("session", STRING),
    [NORMD_FORWARD_X] = REQUIRED("x", ARRAY),
    [NORMD_FORWARD_MASK] = OPTIONAL("mask", ARRAY),
    [NORMD_FORWARD_UPDATE_STATS] = OPTIONAL("update_stats", BOOL),
};

static const normd_field backward_fields[] = {
    [NORMD_BACKWARD_SESSION] = REQUIRED("session", STRING),
    [NORMD_BACKWARD_STEP] = REQUIRED("step", UINT),
    [NORMD_BACKWARD_DY] = REQUIRED("dy", ARRAY),
    [NORMD_BACKWARD_APPLY] = OPTIONAL("apply", BOOL),
};

static const normd_field step_fields[] = {
    [NORMD_STEP_SESSION] = REQUIRED("session", STRING),
};

static const normd_field train_fields[] = {
    [NORMD_TRAIN_SESSION] = REQUIRED("session", STRING),
    [NORMD_TRAIN_X] = REQUIRED("x", ARRAY),
    [NORMD_TRAIN_TARGET] = REQUIRED("target", ARRAY),
    [NORMD_TRAIN_SAMPLE_WEIGHT] = OPTIONAL("sample_weight", ARRAY),
    [NORMD_TRAIN_MASK] = OPTIONAL("mask", ARRAY),
};

static const normd_field evaluate_fields[] = {
    [NORMD_EVALUATE_SESSION] = REQUIRED("session", STRING),
    [NORMD_EVALUATE_X] = REQUIRED("x", ARRAY),
    [NORMD_EVALUATE_TARGET] = REQUIRED("target", ARRAY),
    [NORMD_EVALUATE_SAMPLE_WEIGHT] = OPTIONAL("sample_weight", ARRAY),
    [NORMD_EVALUATE_MASK] = OPTIONAL("mask", ARRAY),
};

static const normd_field infer_fields[] = {
    [NORMD_INFER_SESSION] = REQUIRED("session", STRING),
    [NORMD_INFER_X] = REQUIRED("x", ARRAY),
};

static const normd_field stats_fields[] = {
    [NORMD_STATS_SESSION] = REQUIRED("session", STRING),
    [NORMD_STATS_LAYER] = OPTIONAL("layer", TREE),
    [NORMD_STATS_CONVENTION] = OPTIONAL("convention", STRING),
};

static const normd_field stats_reset_fields[] = {
    [NORMD_RESET_SESSION] = REQUIRED("session", STRING),
    [NORMD_RESET_LAYER] = OPTIONAL("layer", TREE),
};

static const normd_field stats_recalibrate_fields[] = {
    [NORMD_RECALIBRATE_SESSION] = REQUIRED("session", STRING),
    [NORMD_RECALIBRATE_X] = OPTIONAL("x", ARRAY),
    [NORMD_RECALIBRATE_MASK] = OPTIONAL("mask", ARRAY),
    [NORMD_RECALIBRATE_MODE] = OPTIONAL("mode", STRING),
    [NORMD_RECALIBRATE_FINISH] = OPTIONAL("finish", BOOL),
    [NORMD_RECALIBRATE_RESTART] = OPTIONAL("restart", BOOL),
};

static const normd_field stats_freeze_fields[] = {
    [NORMD_FREEZE_SESSION] = REQUIRED("session", STRING),
    [NORMD_FREEZE_LAYER] = OPTIONAL("layer", TREE),
    [NORMD_FREEZE_PARAMETERS] = OPTIONAL("parameters", BOOL),
};

static const normd_field stats_batch_fields[] = {
    [NORMD_BATCH_SESSION] = REQUIRED("session", STRING),
    [NORMD_BATCH_X] = REQUIRED("x", ARRAY),
    [NORMD_BATCH_MASK] = OPTIONAL("mask", ARRAY),
    [NORMD_BATCH_LAYER] = OPTIONAL("layer", TREE),
};

static const normd_field stats_drift_fields[] = {
    [NORMD_DRIFT_SESSION] = REQUIRED("session", STRING),
    [NORMD_DRIFT_X] = REQUIRED("x", ARRAY),
    [NORMD_DRIFT_LAYER] = OPTIONAL("layer", TREE),
};

static const normd_field server_save_fields[] = {
    [NORMD_SAVE_NAME] = OPTIONAL("name", STRING),
};

/* One per row of NORMD_METHOD_MAP; ping, server.info and session.list take nothing. */
#define FIELDS(list) .fields = (list), .field_count = sizeof(list) / sizeof *(list)
#define FIELDS_HELLO FIELDS(hello_fields)
#define FIELDS_PING .fields = NULL, .field_count = 0
#define FIELDS_SERVER_INFO .fields = NULL, .field_count = 0
#define FIELDS_SESSION_CREATE FIELDS(session_create_fields)
#define FIELDS_SESSION_LIST .fields = NULL, .field_count = 0
#define FIELDS_SESSION_DESCRIBE FIELDS(session_describe_fields)
#define FIELDS_SESSION_DELETE FIELDS(session_delete_fields)
#define FIELDS_SESSION_EXPORT FIELDS(session_export_fields)
#define FIELDS_SESSION_IMPORT FIELDS(session_import_fields)
#define FIELDS_SESSION_CONVERT FIELDS(session_convert_fields)
#define FIELDS_SESSION_COPY FIELDS(session_copy_fields)
#define FIELDS_OPTIMIZER_SET FIELDS(optimizer_set_fields)
#define FIELDS_FORWARD FIELDS(forward_fields)
#define FIELDS_BACKWARD FIELDS(backward_fields)
#define FIELDS_STEP FIELDS(step_fields)
#define FIELDS_TRAIN FIELDS(train_fields)
#define FIELDS_EVALUATE FIELDS(evaluate_fields)
#define FIELDS_INFER FIELDS(infer_fields)
#define FIELDS_STATS FIELDS(stats_fields)
#define FIELDS_STATS_RESET FIELDS(stats_reset_fields)
#define FIELDS_STATS_RECALIBRATE FIELDS(stats_recalibrate_fields)
#define FIELDS_STATS_FREEZE FIELDS(stats_freeze_fields)
#define FIELDS_STATS_THAW FIELDS(stats_freeze_fields)
#define FIELDS_STATS_BATCH FIELDS(stats_batch_fields)
#define FIELDS_STATS_DRIFT FIELDS(stats_drift_fields)
#define FIELDS_SERVER_SAVE FIELDS(server_save_fields)

#define CHANGE_MUTATES .mutates = true
#define CHANGE_READS .mutates = false

static const normd_method methods[NORMD_METHOD_COUNT] = {
#define METHOD_ROW(id_name, wire, class_name, change)                                              \
    [NORMD_METHOD_##id_name] = {.id = NORMD_METHOD_##id_name,                                      \
        NAMED(wire),                                                                               \
        .class = NORMD_CLASS_##class_name,                                                         \
        CHANGE_##change,                                                                           \
        FIELDS_##id_name},
    NORMD_METHOD_MAP(METHOD_ROW)
#undef METHOD_ROW
};

const normd_method *normd_method_get(normd_method_id id)
{
    return &methods[id];
}

const normd_method *normd_method_find(const char *name, size_t length)
{
    for (size_t i = 0; i < NORMD_METHOD_COUNT; i++) {
        if (methods[i].name_length == length && memcmp(methods[i].name, name, length) == 0) {
            return &methods[i];
        }
    }
    return NULL;
}
