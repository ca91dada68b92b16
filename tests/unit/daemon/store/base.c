// SPDX-License-Identifier: Apache-2.0
#include "daemon/store/base.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/daemon/store/store_fixture.h"

typedef struct listing {
    char text[512];
} listing;

static normd_status list_row(void *context, normd_store_table table, normd_store_bytes key,
    normd_store_bytes value, normd_error *error)
{
    (void)error;
    listing *list = context;
    size_t used = strlen(list->text);
    snprintf(list->text + used, sizeof list->text - used, "%d:%.*s=%.*s ", (int)table,
        (int)key.size, (const char *)key.data, (int)value.size, (const char *)value.data);
    return NORMD_OK;
}

static void assert_rows(normd_base *base, const char *expected)
{
    normd_error error = {0};
    listing list = {""};
    normd_store_reader reader = {.context = &list, .row = list_row};
    assert_ok(normd_base_read(base, &reader, NULL, &error), error);
    assert_string_equal(list.text, expected);
}

static void put_text(normd_base *base, normd_store_table table, const char *key, const char *value)
{
    put_in_base(base, table, key, value, strlen(value));
}

static void begin(normd_base *base)
{
    normd_error error = {0};
    assert_ok(normd_base_begin(base, &error), error);
}

static void rows_come_back_in_the_order_of_tables_and_keys(void **state)
{
    place *at = *state;
    normd_base *base = open_base(at->base);
    begin(base);
    put_text(base, NORMD_STORE_CLIENTS, "a", "5");
    put_text(base, NORMD_STORE_STATE, "b", "4");
    put_text(base, NORMD_STORE_STATE, "a/2", "3");
    put_text(base, NORMD_STORE_META, "z", "1");
    put_text(base, NORMD_STORE_META, "", "0");
    put_text(base, NORMD_STORE_STATE, "a", "2");
    commit_base(base);
    assert_rows(base, "0:=0 0:z=1 2:a=2 2:a/2=3 2:b=4 3:a=5 ");
    normd_base_close(base);
    base = open_base(at->base);
    assert_rows(base, "0:=0 0:z=1 2:a=2 2:a/2=3 2:b=4 3:a=5 ");
    normd_base_close(base);
}

static void a_value_is_its_pieces_one_behind_another_and_may_be_empty(void **state)
{
    place *at = *state;
    normd_error error = {0};
    normd_base *base = open_base(at->base);
    normd_store_bytes pieces[] = {{"one ", 4}, {NULL, 0}, {"two", 3}};
    begin(base);
    assert_ok(normd_base_put(base, NORMD_STORE_META, text_bytes("p"), pieces, 3, &error), error);
    assert_ok(normd_base_put(base, NORMD_STORE_META, text_bytes("q"), NULL, 0, &error), error);
    commit_base(base);
    assert_rows(base, "0:p=one two 0:q= ");
    normd_base_close(base);
}

static void a_row_is_replaced_and_a_prefix_deleted_with_nothing_else(void **state)
{
    place *at = *state;
    normd_error error = {0};
    normd_base *base = open_base(at->base);
    begin(base);
    put_text(base, NORMD_STORE_STATE, "a", "1");
    put_text(base, NORMD_STORE_STATE, "a/1", "2");
    put_text(base, NORMD_STORE_STATE, "a/2", "3");
    put_text(base, NORMD_STORE_STATE, "a0", "4");
    put_text(base, NORMD_STORE_CLIENTS, "a/1", "5");
    commit_base(base);
    begin(base);
    put_text(base, NORMD_STORE_STATE, "a", "one");
    assert_ok(normd_base_delete(base, NORMD_STORE_STATE, text_bytes("a/"), &error), error);
    assert_ok(normd_base_delete(base, NORMD_STORE_STATE, text_bytes("none"), &error), error);
    commit_base(base);
    assert_rows(base, "2:a=one 2:a0=4 3:a/1=5 ");
    begin(base);
    assert_ok(normd_base_delete(base, NORMD_STORE_STATE, text_bytes(""), &error), error);
    commit_base(base);
    assert_rows(base, "3:a/1=5 ");
    normd_base_close(base);
}

static void thousands_of_rows_and_large_ones_come_back(void **state)
{
    place *at = *state;
    normd_base *base = open_base(at->base);
    put_many_in_base(base, 5000, 700, 1);
    put_many_in_base(base, 30, (size_t)300 * 1024, 2);
    put_many_in_base(base, 5000, 300, 1);
    sums before = read_base(base);
    assert_int_equal(before.rows, 5030);
    normd_base_close(base);
    base = open_base(at->base);
    sums after = read_base(base);
    assert_memory_equal(&before, &after, sizeof before);
    normd_base_close(base);
}

static void an_aborted_transaction_leaves_nothing(void **state)
{
    place *at = *state;
    normd_base *base = open_base(at->base);
    begin(base);
    put_text(base, NORMD_STORE_META, "a", "1");
    commit_base(base);
    begin(base);
    put_text(base, NORMD_STORE_META, "a", "2");
    put_text(base, NORMD_STORE_META, "b", "3");
    normd_base_abort(base);
    assert_rows(base, "0:a=1 ");
    normd_base_close(base);
}

static void the_facts_are_those_of_the_last_commit(void **state)
{
    place *at = *state;
    normd_error error = {0};
    normd_base *base = open_base(at->base);
    assert_int_equal(normd_base_known(base)->epoch, 0);
    assert_int_equal(normd_base_known(base)->first_segment, 1);
    begin(base);
    assert_ok(normd_base_commit(base, 7, UINT64_C(1) << 40, &error), error);
    begin(base);
    normd_base_abort(base);
    normd_base_close(base);
    base = open_base(at->base);
    assert_int_equal(normd_base_known(base)->epoch, 7);
    assert_true(normd_base_known(base)->first_segment == UINT64_C(1) << 40);
    normd_base_close(base);
}

static void a_key_or_a_value_that_is_too_long_is_refused(void **state)
{
    place *at = *state;
    normd_error error = {0};
    char key[NORMD_STORE_KEY_BYTES + 2];
    memset(key, 'k', sizeof key);
    normd_base *base = open_base(at->base);
    begin(base);
    normd_store_bytes longest = {key, NORMD_STORE_KEY_BYTES},
                      longer = {key, NORMD_STORE_KEY_BYTES + 1};
    normd_store_bytes value = {"v", 1};
    normd_store_bytes huge[] = {{key, (size_t)1 << 30}, {key, SIZE_MAX}};
    assert_ok(normd_base_put(base, NORMD_STORE_STATE, longest, &value, 1, &error), error);
    assert_int_equal(
        normd_base_put(base, NORMD_STORE_STATE, longer, &value, 1, &error), NORMD_BAD_ARGUMENT);
    assert_string_equal(error.message, "key: expected at most 256 bytes, got 257");
    assert_int_equal(
        normd_base_put(base, NORMD_STORE_STATE, longest, huge, 2, &error), NORMD_BAD_ARGUMENT);
    normd_base_abort(base);
    normd_base_close(base);
}

static void a_map_that_is_full_grows_for_the_next_transaction(void **state)
{
    place *at = *state;
    normd_error error = {0};
    normd_base *base = NULL;
    assert_ok(normd_base_make(at->base, &error), error);
    normd_base_options tiny = {.path = at->base, .map_bytes = (size_t)1 << 20};
    assert_ok(normd_base_open(&tiny, &base, &error), error);
    size_t size = (size_t)300 * 1024;
    unsigned char *value = made_value(3, size);
    normd_store_bytes piece = {value, size};
    unsigned refused = 0, tries = 0;
    for (bool whole = false; !whole && tries < 20; tries++) {
        normd_status status = NORMD_OK;
        begin(base);
        for (char key[] = "a"; key[0] < 'p' && status == NORMD_OK; key[0]++) {
            status = normd_base_put(base, NORMD_STORE_STATE, text_bytes(key), &piece, 1, &error);
        }
        whole = status == NORMD_OK;
        if (whole) {
            commit_base(base);
        } else {
            assert_store_failed(status, &error, "the map of");
            normd_base_abort(base);
            assert_int_equal(read_base(base).rows, 0);
            refused++;
        }
    }
    /* 15 rows of 300 KiB need 8 MiB: from 1 by 2 and 4. */
    assert_int_equal(refused, 3);
    assert_int_equal(read_base(base).rows, 15);
    normd_base_close(base);
    free(value);
}

static void a_full_disk_fails_a_transaction_and_the_next_one_works(void **state)
{
    place *at = *state;
    normd_error error = {0};
    normd_base *base = open_base(at->base);
    put_many_in_base(base, 100, 1000, 4);
    sums before = read_base(base);
    struct stat file;
    assert_int_equal(stat(at->base, &file), 0);
    struct rlimit limit, less;
    getrlimit(RLIMIT_FSIZE, &limit);
    less = (struct rlimit){(rlim_t)file.st_size + 65536, limit.rlim_max};
    void (*old)(int) = signal(SIGXFSZ, SIG_IGN);
    size_t size = (size_t)1 << 20;
    unsigned char *value = made_value(5, size);
    setrlimit(RLIMIT_FSIZE, &less);
    for (int i = 0; i < 3; i++) {
        begin(base);
        put_in_base(base, NORMD_STORE_STATE, "large", value, size);
        normd_status status = normd_base_commit(base, 0, 1, &error);
        assert_store_failed(status, &error, "a full disk");
        sums now = read_base(base);
        assert_memory_equal(&before, &now, sizeof before);
    }
    setrlimit(RLIMIT_FSIZE, &limit);
    signal(SIGXFSZ, old);
    begin(base);
    put_in_base(base, NORMD_STORE_STATE, "large", value, size);
    commit_base(base);
    assert_int_equal(read_base(base).rows, before.rows + 1);
    normd_base_close(base);
    normd_base_close(open_base(at->base));
    free(value);
}

/* The sanitizers take address space of their own. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

static void a_limited_address_space_gets_a_smaller_map(void **state)
{
    if (SANITIZED) {
        skip();
    }
    place *at = *state;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        normd_error error = {0};
        normd_base *base = NULL;
        setrlimit(RLIMIT_AS, &(struct rlimit){(rlim_t)1 << 30, (rlim_t)1 << 30});
        bool good =
            normd_base_make(at->base, &error) == NORMD_OK &&
            normd_base_open(&(normd_base_options){.path = at->base}, &base, &error) == NORMD_OK &&
            normd_base_begin(base, &error) == NORMD_OK &&
            normd_base_commit(base, 9, 1, &error) == NORMD_OK;
        _exit(good ? 0 : 1);
    }
    int how;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_int_equal(how, 0);
    normd_base *base = open_base(at->base);
    assert_int_equal(normd_base_known(base)->epoch, 9);
    normd_base_close(base);
}

static void a_copy_has_the_same_rows_and_facts(void **state)
{
    place *at = *state;
    normd_error error = {0};
    char path[PLACE_BYTES];
    normd_base *base = open_base(at->base);
    put_many_in_base(base, 500, 5000, 6);
    put_many_in_base(base, 500, 3000, 6);
    begin(base);
    assert_ok(normd_base_commit(base, 3, 17, &error), error);
    begin(base);
    put_text(base, NORMD_STORE_META, "a", "not yet committed");
    assert_ok(normd_base_copy(base, path_in(at, "copy.mdb", path), &error), error);
    normd_base_abort(base);
    sums original = read_base(base);
    normd_base *copy = open_base(path);
    sums copied = read_base(copy);
    assert_memory_equal(&original, &copied, sizeof copied);
    assert_int_equal(normd_base_known(copy)->epoch, 3);
    assert_int_equal(normd_base_known(copy)->first_segment, 17);
    normd_base_close(copy);
    normd_base_close(base);
}

/* ---- Against a model ---- */

enum { MODEL_KEYS = 150, MODEL_ROUNDS = 240, MODEL_STEPS = 12 };

/* Of each key the seed of its value, which is never 0; 0: there is no such row. */
typedef struct model {
    uint64_t seed[MODEL_KEYS];
} model;

static uint64_t next_random(uint64_t *x)
{
    *x = *x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *x >> 33;
}

/* Most rows are short, some have many pages. */
static size_t size_of(uint64_t seed)
{
    return (size_t)(seed % 7 == 0 ? seed % 100000 : seed % 600);
}

static void change(normd_base *base, model *now, uint64_t *x)
{
    normd_error error = {0};
    char key[32];
    unsigned index = (unsigned)(next_random(x) % MODEL_KEYS);
    if (next_random(x) % 12 == 0) {
        snprintf(key, sizeof key, "%u/", index / 10);
        assert_ok(normd_base_delete(base, NORMD_STORE_STATE, text_bytes(key), &error), error);
        memset(now->seed + index / 10 * 10, 0, 10 * sizeof now->seed[0]);
        return;
    }
    snprintf(key, sizeof key, "%u/%u", index / 10, index % 10);
    now->seed[index] = next_random(x) + 1;
    size_t size = size_of(now->seed[index]);
    unsigned char *value = made_value(now->seed[index], size);
    put_in_base(base, NORMD_STORE_STATE, key, value, size);
    free(value);
}

static normd_status compare_row(void *context, normd_store_table table, normd_store_bytes key,
    normd_store_bytes value, normd_error *error)
{
    (void)table;
    (void)error;
    model *left = context;
    char text[8] = "";
    unsigned ten, one;
    memcpy(text, key.data, key.size);
    assert_int_equal(sscanf(text, "%u/%u", &ten, &one), 2);
    uint64_t *seed = &left->seed[ten * 10 + one];
    assert_true(*seed != 0 && value.size == size_of(*seed));
    unsigned char *expected = made_value(*seed, value.size);
    assert_memory_equal(value.data, expected, value.size);
    free(expected);
    *seed = 0;
    return NORMD_OK;
}

static void assert_is_model(normd_base *base, const model *expected)
{
    normd_error error = {0};
    model left = *expected;
    static const model NONE;
    normd_store_reader reader = {.context = &left, .row = compare_row};
    assert_ok(normd_base_read(base, &reader, NULL, &error), error);
    assert_memory_equal(&left, &NONE, sizeof left);
}

static void random_transactions_leave_what_a_model_has(void **state)
{
    place *at = *state;
    char path[PLACE_BYTES];
    path_in(at, "copy.mdb", path);
    normd_error error = {0};
    normd_base *base = open_base(at->base);
    model now = {{0}};
    uint64_t x = 2024;
    for (unsigned round = 1; round <= MODEL_ROUNDS; round++) {
        model next = now;
        begin(base);
        for (unsigned i = 0; i < MODEL_STEPS; i++) {
            change(base, &next, &x);
        }
        if (next_random(&x) % 5 == 0) {
            normd_base_abort(base);
        } else {
            commit_base(base);
            now = next;
        }
        if (round % 40 == 0) {
            remove(path);
            assert_ok(normd_base_copy(base, path, &error), error);
            normd_base *copy = open_base(path);
            assert_is_model(copy, &now);
            normd_base_close(copy);
            normd_base_close(base);
            base = open_base(at->base);
        }
        assert_is_model(base, &now);
    }
    normd_base_close(base);
}

#define test(f) cmocka_unit_test_setup_teardown(f, make_place, remove_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(rows_come_back_in_the_order_of_tables_and_keys),
        test(a_value_is_its_pieces_one_behind_another_and_may_be_empty),
        test(a_row_is_replaced_and_a_prefix_deleted_with_nothing_else),
        test(thousands_of_rows_and_large_ones_come_back),
        test(an_aborted_transaction_leaves_nothing),
        test(the_facts_are_those_of_the_last_commit),
        test(a_key_or_a_value_that_is_too_long_is_refused),
        test(a_map_that_is_full_grows_for_the_next_transaction),
        test(a_full_disk_fails_a_transaction_and_the_next_one_works),
        test(a_limited_address_space_gets_a_smaller_map),
        test(a_copy_has_the_same_rows_and_facts),
        test(random_transactions_leave_what_a_model_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
