// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <stdio.h>
#include <string.h>

#include "clients/bench/answer_reader.h"
#include "protocol/writer.h"

/* Answers with ids of every width, all with the same result. */
static const uint32_t ids[] = {0, 127, 128, 255, 256, 65535, 65536, UINT32_MAX};
enum { IDS = sizeof ids / sizeof ids[0] };

static void pack_answer(msgpack_packer *packer, uint32_t id, const char *text)
{
    normd_write_result(packer, id);
    msgpack_pack_map(packer, 1);
    normd_write_str(packer, "version");
    normd_write_str(packer, text);
}

static msgpack_sbuffer make_stream(const char *text)
{
    msgpack_sbuffer bytes;
    msgpack_packer packer;
    msgpack_sbuffer_init(&bytes);
    msgpack_packer_init(&packer, &bytes, msgpack_sbuffer_write);
    for (size_t k = 0; k < IDS; k++) {
        pack_answer(&packer, ids[k], text);
    }
    return bytes;
}

/* Reads a stream in pieces; every answer must be `event` and have its id. */
static void assert_all(const msgpack_sbuffer *stream, size_t piece, normd_expected_answer expected,
    normd_answer_event event)
{
    normd_answer_reader reader;
    normd_answer_reader_start(&reader, expected);
    const uint8_t *bytes = (const uint8_t *)stream->data;
    size_t found = 0;
    size_t at = 0;
    while (at < stream->size) {
        size_t end = at + piece < stream->size ? at + piece : stream->size;
        while (at < end) {
            size_t taken = 0;
            normd_answer_event got =
                normd_answer_reader_take(&reader, bytes + at, end - at, &taken);
            at += taken;
            if (got != NORMD_ANSWER_MORE) {
                assert_int_equal(got, event);
                assert_true(found < IDS);
                assert_int_equal(reader.id, ids[found]);
                assert_false(reader.refused);
                found++;
            }
        }
    }
    assert_int_equal(found, IDS);
}

static void answers_are_found_in_pieces_of_any_size(void **state)
{
    (void)state;
    msgpack_sbuffer stream = make_stream("eleven");
    msgpack_sbuffer other = make_stream("twelve");
    msgpack_sbuffer longer = make_stream("eleven and more");
    /* Behind the id, a single byte for the first. */
    const normd_expected_answer expected = {
        .bytes = (const uint8_t *)stream.data + 3, .size = 1 + 1 + 8 + 7};
    const normd_expected_answer any = {.bytes = NULL};
    for (size_t piece = 1; piece <= stream.size; piece++) {
        assert_all(&stream, piece, any, NORMD_ANSWER_FOUND);
        assert_all(&stream, piece, expected, NORMD_ANSWER_FOUND);
        assert_all(&other, piece, expected, NORMD_ANSWER_WRONG);
        assert_all(&longer, piece, expected, NORMD_ANSWER_WRONG);
    }
    msgpack_sbuffer_destroy(&stream);
    msgpack_sbuffer_destroy(&other);
    msgpack_sbuffer_destroy(&longer);
}

static void a_refusal_gives_its_text(void **state)
{
    (void)state;
    static const char *const texts[] = {"short", "a text of more than thirty-one bytes is a str8"};
    for (size_t k = 0; k < 2; k++) {
        msgpack_sbuffer bytes;
        msgpack_packer packer;
        normd_error error;
        msgpack_sbuffer_init(&bytes);
        msgpack_packer_init(&packer, &bytes, msgpack_sbuffer_write);
        normd_error_set(&error, NORMD_BUSY, "%s", texts[k]);
        normd_write_error(&packer, 300, &error);
        normd_answer_reader reader;
        normd_answer_reader_start(
            &reader, (normd_expected_answer){.bytes = (const uint8_t *)"x", .size = 1});
        size_t taken;
        assert_int_equal(
            normd_answer_reader_take(&reader, (const uint8_t *)bytes.data, bytes.size, &taken),
            NORMD_ANSWER_FOUND);
        assert_true(reader.refused);
        assert_int_equal(reader.id, 300);
        char text[NORMD_ANSWER_START_BYTES];
        char expected[NORMD_ANSWER_START_BYTES];
        snprintf(expected, sizeof expected, "BUSY %s", texts[k]);
        assert_string_equal(normd_answer_reader_text(&reader, text), expected);
        msgpack_sbuffer_destroy(&bytes);
    }
}

static void what_is_no_answer_is_bad(void **state)
{
    (void)state;
    static const char *const streams[] = {"\xc1", "\xc0", "\x93\x01\x00\xc0",
        "\x94\x00\x00\xc0\xc0", "\x94\x01\xa1x\xc0\xc0", "\x90"};
    static const size_t sizes[] = {1, 1, 4, 5, 6, 1};
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        normd_answer_reader reader;
        normd_answer_reader_start(&reader, (normd_expected_answer){.bytes = NULL});
        size_t taken;
        assert_int_equal(
            normd_answer_reader_take(&reader, (const uint8_t *)streams[k], sizes[k], &taken),
            NORMD_ANSWER_BAD);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_found_in_pieces_of_any_size),
        cmocka_unit_test(a_refusal_gives_its_text),
        cmocka_unit_test(what_is_no_answer_is_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
