// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <string.h>

#include "protocol/methods.h"

static void every_method_is_found_by_its_name(void **state)
{
    (void)state;
    for (int i = 0; i < NORMD_METHOD_COUNT; i++) {
        const normd_method *method = normd_method_get((normd_method_id)i);
        assert_int_equal(method->id, i);
        assert_ptr_equal(normd_method_find(method->name, strlen(method->name)), method);
        assert_null(normd_method_find(method->name, strlen(method->name) - 1));
    }
}

static void other_names_are_not_found(void **state)
{
    (void)state;
    assert_null(normd_method_find("", 0));
    assert_null(normd_method_find("Ping", 4));
    assert_null(normd_method_find("ping\0", 5));
    assert_null(normd_method_find("session", 7));
}

static void fields_have_names_of_their_own_and_fit_a_call(void **state)
{
    (void)state;
    for (int i = 0; i < NORMD_METHOD_COUNT; i++) {
        const normd_method *method = normd_method_get((normd_method_id)i);
        assert_true(method->field_count <= NORMD_MAX_FIELDS);
        for (size_t a = 0; a < method->field_count; a++) {
            assert_non_null(method->fields[a].name);
            for (size_t b = 0; b < a; b++) {
                assert_string_not_equal(method->fields[a].name, method->fields[b].name);
            }
        }
    }
}

/* What runs in a session's queue and changes nothing that lasts takes no `client` and `seq`. */
static void what_changes_a_session_mutates(void **state)
{
    (void)state;
    for (int i = 0; i < NORMD_METHOD_COUNT; i++) {
        const normd_method *method = normd_method_get((normd_method_id)i);
        bool changes = method->class == NORMD_CLASS_TRAIN || method->class == NORMD_CLASS_MANAGE;
        assert_int_equal(method->mutates, changes && i != NORMD_METHOD_STATS_BATCH);
        for (size_t k = 0; k < method->field_count && method->mutates; k++) {
            assert_string_not_equal(method->fields[k].name, "client");
            assert_string_not_equal(method->fields[k].name, "seq");
        }
    }
}

/* Handlers trust these indices. */
static void the_enums_name_the_fields(void **state)
{
    (void)state;
    static const struct {
        normd_method_id method;
        size_t field;
        const char *name;
    } rows[] = {
        {NORMD_METHOD_HELLO, NORMD_HELLO_TOKEN, "token"},
        {NORMD_METHOD_SESSION_CREATE, NORMD_CREATE_IF_EXISTS, "if_exists"},
        {NORMD_METHOD_SESSION_CREATE, NORMD_CREATE_LAYERS, "layers"},
        {NORMD_METHOD_SESSION_DESCRIBE, NORMD_DESCRIBE_CONVENTION, "convention"},
        {NORMD_METHOD_SESSION_DELETE, NORMD_DELETE_SESSION, "session"},
        {NORMD_METHOD_SESSION_EXPORT, NORMD_EXPORT_FORMAT, "format"},
        {NORMD_METHOD_SESSION_IMPORT, NORMD_IMPORT_DATA, "data"},
        {NORMD_METHOD_FORWARD, NORMD_FORWARD_UPDATE_STATS, "update_stats"},
        {NORMD_METHOD_BACKWARD, NORMD_BACKWARD_APPLY, "apply"},
        {NORMD_METHOD_STEP, NORMD_STEP_SESSION, "session"},
        {NORMD_METHOD_TRAIN, NORMD_TRAIN_TARGET, "target"},
        {NORMD_METHOD_EVALUATE, NORMD_EVALUATE_X, "x"},
        {NORMD_METHOD_INFER, NORMD_INFER_X, "x"},
        {NORMD_METHOD_STATS, NORMD_STATS_LAYER, "layer"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const normd_method *method = normd_method_get(rows[i].method);
        assert_true(rows[i].field < method->field_count);
        assert_string_equal(method->fields[rows[i].field].name, rows[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_method_is_found_by_its_name),
        cmocka_unit_test(other_names_are_not_found),
        cmocka_unit_test(fields_have_names_of_their_own_and_fit_a_call),
        cmocka_unit_test(what_changes_a_session_mutates),
        cmocka_unit_test(the_enums_name_the_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
