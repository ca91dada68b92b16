// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/commit/recovery.h"
#include "daemon/request.h"
#include "protocol/methods.h"

/*
 * The way back without a store: rows and records as a session's life leaves them are given to the
 * recovery, whole or damaged. A store has a checksum for each; so this is what a store might hold
 * that was written wrongly.
 */
enum { TAPE_ITEMS = 16, ITEM_BYTES = 4096, RECORD = -1 };

typedef struct tape_item {
    int table; /* of a row, or RECORD */
    unsigned char key[32];
    size_t key_size;
    unsigned char bytes[ITEM_BYTES];
    size_t size;
} tape_item;

typedef struct taped {
    tape_item item[TAPE_ITEMS];
    size_t items;
} taped;

typedef struct lived {
    normd_engine engine;
    normd_session *session;
    uint64_t order;
    taped tape;
} lived;

static const normd_shape x_shape = {2, {4, 3}};

static void open_life(lived *life)
{
    memset(life, 0, sizeof *life);
    life->engine = (normd_engine){.kernels = normd_kernels_choose("baseline"),
        .buffers = normd_buffer_cache_create(0),
        .context_bytes = 1 << 20,
        .limits = {.answer_bytes = 1 << 20, .work_bytes = 1 << 20, .session_bytes = 1 << 20}};
    json_t *configuration = json_pack(
        "{s:[{s:s,s:i}]}", "layers", "type", "batch_norm", "features", (int)x_shape.dim[1]);
    normd_attachments none = {.count = 0};
    normd_error error;
    assert_int_equal(
        normd_session_create(&life->engine, configuration, &none, &life->session, &error),
        NORMD_OK);
    json_decref(configuration);
}

static void close_life(lived *life)
{
    normd_session_destroy(life->session);
    normd_buffer_cache_destroy(life->engine.buffers);
}

/* ---- Writing ---- */

static tape_item *new_item(lived *life, int table)
{
    assert_in_range(life->tape.items, 0, TAPE_ITEMS - 1);
    tape_item *item = &life->tape.item[life->tape.items++];
    *item = (tape_item){.table = table};
    return item;
}

static void end_record(lived *life, normd_record_writer *writer)
{
    tape_item *item = new_item(life, RECORD);
    normd_store_bytes piece[64];
    size_t pieces = normd_record_pieces(writer);
    assert_in_range(pieces, 1, 64);
    assert_true(normd_record_finish(writer, piece));
    for (size_t i = 0; i < pieces; i++) {
        assert_in_range(piece[i].size, 0, sizeof item->bytes - item->size);
        memcpy(item->bytes + item->size, piece[i].data, piece[i].size);
        item->size += piece[i].size;
    }
    normd_record_free(writer);
}

static void put_head(
    lived *life, normd_record_writer *writer, normd_record_kind kind, const normd_image *image)
{
    normd_record_put_head(writer, &(normd_record_head){.kind = kind,
                                      .session = 1,
                                      .order = ++life->order,
                                      .version = normd_image_version(image),
                                      .steps = normd_image_steps(image),
                                      .last_step = normd_image_last_step(image)});
}

static void put_parts(normd_record_writer *writer, const normd_image *image)
{
    uint64_t size[NORMD_IMAGE_PARTS];
    for (int part = 0; part < NORMD_IMAGE_PARTS; part++) {
        size[part] = normd_image_part_of(image, (normd_image_part)part).size;
    }
    normd_record_put_sizes(writer, size);
    for (int part = 0; part < NORMD_IMAGE_PARTS; part++) {
        normd_image_bytes bytes = normd_image_part_of(image, (normd_image_part)part);
        if (bytes.size > 0) {
            normd_record_put_chunk(writer, &(normd_record_chunk){.part = (normd_image_part)part,
                                               .bytes = {bytes.data, bytes.size}});
        }
    }
}

/* The whole state, as of a session that is made. */
static void record_made(lived *life)
{
    normd_image *image = normd_session_image(life->session);
    char *description = normd_image_description(image);
    normd_record_writer writer = {.piece = NULL};
    put_head(life, &writer, NORMD_RECORD_STATE, image);
    normd_record_put_made(&writer, &(normd_record_made){.name = "life", .name_length = 4});
    normd_record_put_once(&writer, &(normd_record_once){.client = "c",
                                       .client_length = 1,
                                       .seq = 1,
                                       .answer = {.hash = 1, .result = "r", .result_size = 1}});
    normd_record_put_description(&writer, description);
    put_parts(&writer, image);
    end_record(life, &writer);
    free(description);
    normd_image_release(image);
}

static void record_state(lived *life)
{
    normd_image *image = normd_session_image(life->session);
    normd_record_writer writer = {.piece = NULL};
    put_head(life, &writer, NORMD_RECORD_STATE, image);
    put_parts(&writer, image);
    end_record(life, &writer);
    normd_image_release(image);
}

static void record_request(lived *life, const normd_record_request *request)
{
    normd_image *image = normd_session_image(life->session);
    normd_record_writer writer = {.piece = NULL};
    put_head(life, &writer, NORMD_RECORD_REQUEST, image);
    normd_record_put_request(&writer, request);
    end_record(life, &writer);
    normd_image_release(image);
}

static void record_deleted(lived *life)
{
    normd_record_writer writer = {.piece = NULL};
    normd_record_put_head(&writer,
        &(normd_record_head){.kind = NORMD_RECORD_DELETE, .session = 1, .order = ++life->order});
    end_record(life, &writer);
}

/* ---- Living ---- */

static normd_tensor batch(const lived *life, float seed)
{
    normd_tensor x;
    normd_error error;
    assert_int_equal(
        normd_tensor_take(life->engine.buffers, NORMD_F32, &x_shape, &x, &error), NORMD_OK);
    for (size_t i = 0; i < 12; i++) {
        ((float *)x.array.data)[i] = seed + (float)(i * i % 7);
    }
    return x;
}

static uint64_t forward(lived *life, float seed, bool written)
{
    normd_tensor x = batch(life, seed);
    normd_tensor y;
    float copy[12];
    memcpy(copy, x.array.data, sizeof copy);
    normd_forward_options options = {.update_stats = true, .repeatable = written};
    normd_forward_result result;
    normd_error error;
    assert_int_equal(
        normd_session_forward(life->session, &x, &options, &y, &result, &error), NORMD_OK);
    normd_tensor_release(&y);
    if (written) {
        normd_record_request request = {.method = NORMD_METHOD_FORWARD,
            .step = result.step,
            .update_stats = true,
            .repeatable = true};
        request.array[NORMD_FIELD_X] =
            (normd_array){.dtype = NORMD_F32, .shape = x_shape, .data = copy};
        record_request(life, &request);
    }
    return result.step;
}

static void backward(lived *life, uint64_t step, bool apply)
{
    normd_tensor dy = batch(life, 2);
    normd_tensor dx;
    float copy[12];
    memcpy(copy, dy.array.data, sizeof copy);
    uint64_t version;
    normd_error error;
    assert_int_equal(
        normd_session_backward(life->session, step, apply, &dy, 0, &dx, &version, &error),
        NORMD_OK);
    normd_tensor_release(&dx);
    normd_record_request request = {.method = NORMD_METHOD_BACKWARD, .step = step, .apply = apply};
    request.array[NORMD_FIELD_DY] =
        (normd_array){.dtype = NORMD_F32, .shape = x_shape, .data = copy};
    record_request(life, &request);
}

static void apply_step(lived *life)
{
    uint64_t version;
    normd_error error;
    assert_int_equal(normd_session_step(life->session, &version, &error), NORMD_OK);
    record_request(life, &(normd_record_request){.method = NORMD_METHOD_STEP});
}

/* ---- Coming back ---- */

typedef struct returned {
    normd_durable durable;
    normd_recovery recovery;
    normd_error error;
} returned;

static normd_status take(returned *to, const tape_item *item)
{
    /* In memory of just this size. */
    void *bytes = malloc(item->size > 0 ? item->size : 1);
    assert_non_null(bytes);
    memcpy(bytes, item->bytes, item->size);
    normd_store_bytes value = {.data = bytes, .size = item->size};
    normd_status status;
    if (item->table == RECORD) {
        status = normd_recovery_begin_records(&to->recovery, &to->error);
        if (status == NORMD_OK) {
            status = normd_recovery_record(&to->recovery, value, &to->error);
        }
    } else {
        status = normd_recovery_row(&to->recovery, (normd_store_table)item->table,
            (normd_store_bytes){.data = item->key, .size = item->key_size}, value, &to->error);
    }
    free(bytes);
    return status;
}

/* All of the tape; then each session lives again, as it is handed over. */
static normd_status come_back(returned *to, const lived *life, const taped *tape)
{
    memset(to, 0, sizeof *to);
    to->durable.options.ledger =
        normd_ledger_create(&(normd_ledger_limits){8, 0, SIZE_MAX}, offsetof(normd_request, next));
    to->recovery.durable = &to->durable;
    to->recovery.engine = &life->engine;
    normd_status status = NORMD_OK;
    for (size_t i = 0; i < tape->items && status == NORMD_OK; i++) {
        status = take(to, &tape->item[i]);
    }
    if (status == NORMD_OK) {
        status = normd_recovery_begin_records(&to->recovery, &to->error);
    }
    for (normd_recovered *session = to->recovery.sessions; session != NULL && status == NORMD_OK;
         session = session->hh.next) {
        status = normd_recovered_live(&to->recovery, session, &to->error);
    }
    return status;
}

static void gone(returned *to)
{
    while (to->recovery.sessions != NULL) {
        normd_recovered_remove(&to->recovery, to->recovery.sessions);
    }
    while (to->durable.dirty != NULL) {
        normd_durable_clear_dirty(&to->durable, to->durable.dirty);
    }
    normd_ledger_destroy(to->durable.options.ledger);
}

static void require_same_state(const normd_session *a, const normd_session *b)
{
    normd_image *of_a = normd_session_image((normd_session *)(uintptr_t)a);
    normd_image *of_b = normd_session_image((normd_session *)(uintptr_t)b);
    assert_int_equal(normd_image_version(of_a), normd_image_version(of_b));
    for (int part = 0; part < NORMD_IMAGE_PARTS; part++) {
        normd_image_bytes x = normd_image_part_of(of_a, (normd_image_part)part);
        normd_image_bytes y = normd_image_part_of(of_b, (normd_image_part)part);
        assert_int_equal(x.size, y.size);
        if (x.size > 0) {
            assert_memory_equal(x.data, y.data, x.size);
        }
    }
    normd_image_release(of_a);
    normd_image_release(of_b);
}

static void live_on(lived *life)
{
    record_made(life);
    uint64_t first = forward(life, 0, true);
    uint64_t second = forward(life, 1, true);
    backward(life, first, false);
    apply_step(life);
    forward(life, 3, false);
    record_state(life);
    backward(life, second, true);
}

static void records_bring_a_session_back(void **state)
{
    (void)state;
    static lived life;
    static returned coming;
    open_life(&life);
    live_on(&life);
    assert_int_equal(come_back(&coming, &life, &life.tape), NORMD_OK);
    assert_int_equal(HASH_COUNT(coming.recovery.sessions), 1);
    assert_string_equal(coming.recovery.sessions->name, "life");
    require_same_state(coming.recovery.sessions->live, life.session);
    assert_int_equal(normd_ledger_last(coming.durable.options.ledger, "c", 1), 1);
    assert_int_equal(coming.recovery.records_done, 5);
    gone(&coming);
    record_deleted(&life);
    assert_int_equal(come_back(&coming, &life, &life.tape), NORMD_OK);
    assert_null(coming.recovery.sessions);
    assert_int_equal(coming.durable.last_id, 1);
    gone(&coming);
    close_life(&life);
}

static void a_record_that_is_missing_or_comes_twice_is_refused(void **state)
{
    (void)state;
    static lived life;
    static returned coming;
    static taped tape;
    open_life(&life);
    live_on(&life);
    record_deleted(&life);
    for (size_t at = 0; at + 1 < life.tape.items; at++) {
        tape = life.tape;
        tape.items--;
        memmove(&tape.item[at], &tape.item[at + 1], (tape.items - at) * sizeof *tape.item);
        assert_int_equal(come_back(&coming, &life, &tape), NORMD_STORE_FAILED);
        assert_non_null(strstr(coming.error.message, "the journal does not fit the base"));
        gone(&coming);
        tape = life.tape;
        tape.item[at + 1] = tape.item[at];
        assert_int_equal(come_back(&coming, &life, &tape), NORMD_STORE_FAILED);
        gone(&coming);
    }
    close_life(&life);
}

/* Anything may come of it but a crash, a leak, or another error. */
static void require_no_harm(const lived *life, const taped *tape)
{
    static returned coming;
    normd_status status = come_back(&coming, life, tape);
    if (status != NORMD_OK && status != NORMD_STORE_FAILED) {
        fail_msg("%s", coming.error.message);
    }
    gone(&coming);
}

static void damaged_records_do_no_harm(void **state)
{
    (void)state;
    static lived life;
    static taped tape;
    open_life(&life);
    live_on(&life);
    record_deleted(&life);
    for (size_t i = 0; i < life.tape.items; i++) {
        for (size_t at = 0; at < life.tape.item[i].size; at++) {
            tape = life.tape;
            tape.item[i].bytes[at] ^= (unsigned char)(1u << at % 8);
            require_no_harm(&life, &tape);
            tape.item[i].bytes[at] = 0xff;
            require_no_harm(&life, &tape);
            tape.item[i].size = at;
            require_no_harm(&life, &tape);
        }
    }
    close_life(&life);
}

/* An item of the record is left out: a state without its description, a request without arrays. */
static void records_with_items_left_out_do_no_harm(void **state)
{
    (void)state;
    static lived life;
    static taped tape;
    open_life(&life);
    live_on(&life);
    for (size_t i = 0; i < life.tape.items; i++) {
        const tape_item *whole = &life.tape.item[i];
        for (size_t at = 0; at < whole->size;) {
            uint64_t body;
            memcpy(&body, whole->bytes + at + 1, sizeof body);
            size_t size = 1 + sizeof body + (size_t)le64toh(body);
            tape = life.tape;
            tape_item *cut = &tape.item[i];
            memmove(cut->bytes + at, cut->bytes + at + size, whole->size - at - size);
            cut->size -= size;
            require_no_harm(&life, &tape);
            at += size;
        }
    }
    close_life(&life);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_bring_a_session_back),
        cmocka_unit_test(a_record_that_is_missing_or_comes_twice_is_refused),
        cmocka_unit_test(damaged_records_do_no_harm),
        cmocka_unit_test(records_with_items_left_out_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
