// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/durable/record.h"

/* What a reader was told, as text, so that two readings can be compared. */
typedef struct told {
    char text[1 << 16];
    size_t size;
    size_t fail_at; /* the call that answers an error, counted from 1; 0: none */
    size_t calls;
} told;

__attribute__((format(printf, 3, 4))) static normd_status tell(
    told *to, normd_error *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(to->text + to->size, sizeof to->text - to->size, format, arguments);
    va_end(arguments);
    assert_in_range(length, 0, sizeof to->text - to->size - 1);
    to->size += (size_t)length;
    return ++to->calls == to->fail_at ? normd_error_set(error, NORMD_BUSY, "enough") : NORMD_OK;
}

/* Reads every byte. */
static unsigned sum_of(const void *data, size_t size)
{
    unsigned sum = 17;
    for (size_t i = 0; i < size; i++) {
        sum = sum * 31 + ((const unsigned char *)data)[i];
    }
    return sum;
}

static normd_status head(void *context, const normd_record_head *head, normd_error *error)
{
    return tell(context, error, "head %d %llx %llx %llx %llx %llx\n", (int)head->kind,
        (unsigned long long)head->session, (unsigned long long)head->order,
        (unsigned long long)head->version, (unsigned long long)head->steps,
        (unsigned long long)head->last_step);
}

static normd_status made(void *context, const normd_record_made *made, normd_error *error)
{
    return tell(context, error, "made %llx %zu %x\n", (unsigned long long)made->replaces,
        made->name_length, sum_of(made->name, made->name_length));
}

static normd_status once(void *context, const normd_record_once *once, normd_error *error)
{
    const normd_ledger_answer *answer = &once->answer;
    return tell(context, error, "once %zu %x %llx %llx %x %llx %llx %zu %x\n", once->client_length,
        sum_of(once->client, once->client_length), (unsigned long long)once->seq,
        (unsigned long long)answer->hash, (unsigned)answer->method,
        (unsigned long long)answer->session, (unsigned long long)answer->step, answer->result_size,
        sum_of(answer->result, answer->result_size));
}

static normd_status description(void *context, const char *text, size_t length, normd_error *error)
{
    return tell(context, error, "description %zu %x\n", length, sum_of(text, length));
}

static normd_status sizes(void *context, const uint64_t size[NORMD_IMAGE_PARTS], normd_error *error)
{
    return tell(context, error, "sizes %x\n", sum_of(size, NORMD_IMAGE_PARTS * sizeof *size));
}

static normd_status chunk(void *context, const normd_record_chunk *chunk, normd_error *error)
{
    assert_in_range(chunk->part, 0, NORMD_IMAGE_PARTS - 1);
    assert_in_range(chunk->bytes.size, 0, NORMD_STATE_CHUNK_BYTES);
    return tell(context, error, "chunk %d %x %zu %x\n", (int)chunk->part, (unsigned)chunk->index,
        chunk->bytes.size, sum_of(chunk->bytes.data, chunk->bytes.size));
}

static normd_status request(void *context, const normd_record_request *request, normd_error *error)
{
    unsigned sum = 0;
    for (int i = 0; i < NORMD_RECORD_FIELDS; i++) {
        const normd_array *array = &request->array[i];
        sum = sum * 31 + (unsigned)array->dtype;
        for (uint32_t axis = 0; axis < array->shape.rank; axis++) {
            sum = sum * 31 + (unsigned)array->shape.dim[axis];
        }
        sum = sum * 31 + (array->data != NULL ? sum_of(array->data, normd_array_bytes(array)) : 0);
    }
    return tell(context, error, "request %x %llx %d%d%d %x %x\n", (unsigned)request->method,
        (unsigned long long)request->step, request->update_stats, request->apply,
        request->repeatable, sum_of(&request->loss, sizeof request->loss), sum);
}

static normd_status read_told(const void *data, size_t size, told *to, normd_error *error)
{
    const normd_record_visitor visitor = {.context = to,
        .head = head,
        .made = made,
        .once = once,
        .description = description,
        .sizes = sizes,
        .chunk = chunk,
        .request = request};
    /* In memory of just this size, so that reading further is found out. */
    void *copy = malloc(size > 0 ? size : 1);
    assert_non_null(copy);
    memcpy(copy, data, size);
    size_t fail_at = to->fail_at;
    *to = (told){.fail_at = fail_at};
    error->status = NORMD_OK;
    normd_status status =
        normd_record_read((normd_store_bytes){.data = copy, .size = size}, &visitor, error);
    free(copy);
    return status;
}

/* The bytes of a writer's records. */
static size_t flatten(normd_record_writer *writer, unsigned char *to, size_t room)
{
    size_t pieces = normd_record_pieces(writer);
    normd_store_bytes *piece = calloc(pieces + 1, sizeof *piece);
    assert_non_null(piece);
    assert_true(normd_record_finish(writer, piece));
    size_t size = 0;
    for (size_t i = 0; i < pieces; i++) {
        assert_in_range(piece[i].size, 1, room - size);
        memcpy(to + size, piece[i].data, piece[i].size);
        size += piece[i].size;
    }
    free(piece);
    return size;
}

static const normd_record_head a_head = {.kind = NORMD_RECORD_STATE,
    .session = UINT64_MAX,
    .order = 2,
    .version = 0x0123456789abcdef,
    .steps = 4,
    .last_step = 5};

/* A record with every item, arrays of each kind, small bytes and large ones. */
static size_t every_item(unsigned char *to, size_t room)
{
    static const float x[3][50];
    static const uint8_t bytes[700] = {1, 2, 3};
    static const char result[] = "an answer";
    uint64_t size[NORMD_IMAGE_PARTS] = {700, 3, 0, UINT64_MAX, 1};
    normd_record_writer writer = {.piece = NULL};
    normd_record_put_head(&writer, &a_head);
    normd_record_put_made(
        &writer, &(normd_record_made){.replaces = 7, .name = "name", .name_length = 4});
    for (size_t i = 0; i < 2; i++) {
        normd_ledger_answer answer = {.hash = 1 + i,
            .method = 3,
            .session = 9,
            .step = 10,
            .result = i == 0 ? (const void *)result : bytes,
            .result_size = i == 0 ? sizeof result : sizeof bytes};
        normd_record_put_once(
            &writer, &(normd_record_once){
                         .client = "client", .client_length = 6, .seq = i + 1, .answer = answer});
    }
    normd_record_put_description(&writer, "{\"layers\": []}");
    normd_record_put_sizes(&writer, size);
    for (int part = 0; part < NORMD_IMAGE_PARTS; part++) {
        normd_record_put_chunk(&writer, &(normd_record_chunk){.part = (normd_image_part)part,
                                            .index = (uint32_t)part,
                                            .bytes = {bytes, part == 0 ? sizeof bytes : 3}});
    }
    normd_record_request put = {.method = 12, .step = 1, .apply = true, .loss = -0.5};
    put.array[NORMD_FIELD_X] =
        (normd_array){.dtype = NORMD_F32, .shape = {2, {3, 50}}, .data = (void *)(uintptr_t)x};
    put.array[NORMD_FIELD_MASK] =
        (normd_array){.dtype = NORMD_BOOL, .shape = {1, {3}}, .data = (void *)(uintptr_t)bytes};
    put.array[NORMD_FIELD_DY] =
        (normd_array){.dtype = NORMD_F64, .shape = {0}, .data = (void *)(uintptr_t)x};
    normd_record_put_request(&writer, &put);
    size_t written = flatten(&writer, to, room);
    normd_record_free(&writer);
    return written;
}

static void every_item_comes_back(void **state)
{
    (void)state;
    static unsigned char bytes[1 << 14];
    static told got;
    normd_error error;
    size_t size = every_item(bytes, sizeof bytes);
    assert_int_equal(read_told(bytes, size, &got, &error), NORMD_OK);
    static const char begin[] = "head 1 ffffffffffffffff 2 123456789abcdef 4 5\nmade 7 4 ";
    assert_memory_equal(got.text, begin, sizeof begin - 1);
    assert_non_null(strstr(got.text, "\nonce 6 "));
    assert_non_null(strstr(got.text, "\nchunk 4 4 3 "));
    assert_non_null(strstr(got.text, "\nrequest c 1 010 "));
    assert_int_equal(got.calls, 1 + 1 + 2 + 1 + 1 + NORMD_IMAGE_PARTS + 1);
}

static void arrays_come_back_bit_for_bit(void **state)
{
    (void)state;
    double values[6] = {0.0, -0.0, 1e300, -1e-300, 0.1, 3};
    for (unsigned flags = 0; flags < 8; flags++) {
        normd_record_request put = {.method = flags,
            .step = (uint64_t)flags << 40,
            .update_stats = (flags & 1) != 0,
            .apply = (flags & 2) != 0,
            .repeatable = (flags & 4) != 0,
            .loss = values[flags % 6]};
        for (unsigned i = 0; i < NORMD_RECORD_FIELDS; i++) {
            if ((flags >> (i % 3) & 1) != 0) {
                put.array[i] =
                    (normd_array){.dtype = NORMD_F64, .shape = {2, {2, 3}}, .data = (void *)values};
            }
        }
        told wanted = {.size = 0};
        told got;
        normd_error error;
        request(&wanted, &put, &error);
        normd_record_writer writer = {.piece = NULL};
        unsigned char bytes[1024];
        normd_record_head head = a_head;
        head.kind = NORMD_RECORD_REQUEST;
        normd_record_put_head(&writer, &head);
        normd_record_put_request(&writer, &put);
        got.fail_at = 0;
        size_t size = flatten(&writer, bytes, sizeof bytes);
        assert_int_equal(read_told(bytes, size, &got, &error), NORMD_OK);
        assert_non_null(strstr(got.text, wanted.text));
        normd_record_free(&writer);
    }
}

static void several_records_of_one_writer_stay_apart(void **state)
{
    (void)state;
    static unsigned char large[2048];
    normd_record_writer writer = {.piece = NULL};
    for (int round = 0; round < 3; round++) {
        size_t end[4];
        normd_record_reset(&writer);
        for (size_t i = 0; i < 4; i++) {
            normd_record_head head = a_head;
            head.order = i;
            normd_record_put_head(&writer, &head);
            normd_record_put_chunk(
                &writer, &(normd_record_chunk){.index = (uint32_t)i, .bytes = {large, i * 512}});
            end[i] = normd_record_pieces(&writer);
        }
        normd_store_bytes piece[16];
        assert_in_range(end[3], 4, 16);
        assert_true(normd_record_finish(&writer, piece));
        for (size_t i = 0, at = 0; i < 4; i++) {
            unsigned char bytes[4096];
            size_t size = 0;
            for (; at < end[i]; at++) {
                memcpy(bytes + size, piece[at].data, piece[at].size);
                size += piece[at].size;
            }
            told got = {.size = 0};
            normd_error error;
            assert_int_equal(read_told(bytes, size, &got, &error), NORMD_OK);
            char wanted[64];
            snprintf(wanted, sizeof wanted, "chunk 0 %zx %zu ", i, i * 512);
            assert_non_null(strstr(got.text, wanted));
        }
    }
    normd_record_free(&writer);
}

static void a_record_that_is_cut_is_refused_or_has_fewer_items(void **state)
{
    (void)state;
    static unsigned char bytes[1 << 14];
    static told whole, got;
    normd_error error;
    size_t size = every_item(bytes, sizeof bytes);
    assert_int_equal(read_told(bytes, size, &whole, &error), NORMD_OK);
    size_t read = 0;
    for (size_t cut = 0; cut < size; cut++) {
        if (read_told(bytes, cut, &got, &error) == NORMD_OK) {
            assert_true(got.calls >= 1 && got.calls < whole.calls);
            read++;
        } else {
            assert_int_equal(error.status, NORMD_STORE_FAILED);
        }
        assert_memory_equal(whole.text, got.text, got.size);
    }
    /* Only where an item ends, of those in front of the request. */
    assert_int_equal(read, whole.calls - 1);
}

static void a_record_with_a_wrong_byte_is_refused_or_reads_as_something_else(void **state)
{
    (void)state;
    static unsigned char bytes[1 << 14];
    static told whole, got;
    normd_error error;
    size_t size = every_item(bytes, sizeof bytes);
    assert_int_equal(read_told(bytes, size, &whole, &error), NORMD_OK);
    size_t same = 0;
    for (size_t at = 0; at < size; at++) {
        for (unsigned flip = 1; flip < 256; flip *= 2) {
            bytes[at] ^= (unsigned char)flip;
            if (read_told(bytes, size, &got, &error) == NORMD_OK) {
                same += strcmp(whole.text, got.text) == 0;
            } else {
                assert_int_equal(error.status, NORMD_STORE_FAILED);
            }
            bytes[at] ^= (unsigned char)flip;
        }
    }
    /* A request has three flags in a byte. */
    assert_int_equal(same, 5);
}

static void what_a_visitor_answers_ends_the_reading(void **state)
{
    (void)state;
    static unsigned char bytes[1 << 14];
    static told got;
    normd_error error;
    size_t size = every_item(bytes, sizeof bytes);
    got.fail_at = 0;
    assert_int_equal(read_told(bytes, size, &got, &error), NORMD_OK);
    for (size_t calls = got.calls, at = 1; at <= calls; at++) {
        got.fail_at = at;
        assert_int_equal(read_told(bytes, size, &got, &error), NORMD_BUSY);
        assert_int_equal(got.calls, at);
    }
}

static void a_visitor_may_let_items_pass(void **state)
{
    (void)state;
    static unsigned char bytes[1 << 14];
    const normd_record_visitor nothing = {.context = NULL};
    normd_error error;
    normd_store_bytes record = {.data = bytes, .size = every_item(bytes, sizeof bytes)};
    assert_int_equal(normd_record_read(record, &nothing, &error), NORMD_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_item_comes_back),
        cmocka_unit_test(arrays_come_back_bit_for_bit),
        cmocka_unit_test(several_records_of_one_writer_stay_apart),
        cmocka_unit_test(a_record_that_is_cut_is_refused_or_has_fewer_items),
        cmocka_unit_test(a_record_with_a_wrong_byte_is_refused_or_reads_as_something_else),
        cmocka_unit_test(what_a_visitor_answers_ends_the_reading),
        cmocka_unit_test(a_visitor_may_let_items_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
