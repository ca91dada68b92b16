// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/daemon/store/store_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/store/files.h"

int make_place(void **state)
{
    place *at = calloc(1, sizeof *at);
    const char *folder = getenv("TMPDIR");
    if (at == NULL) {
        return -1;
    }
    snprintf(
        at->folder, sizeof at->folder, "%s/normd-store-XXXXXX", folder != NULL ? folder : P_tmpdir);
    if (mkdtemp(at->folder) == NULL) {
        free(at);
        return -1;
    }
    path_in(at, "data.mdb", at->base);
    *state = at;
    return 0;
}

int remove_place(void **state)
{
    place *at = *state;
    int code = normd_files_remove(AT_FDCWD, at->folder);
    free(at);
    return code;
}

const char *path_in(const place *at, const char *name, char path[static PLACE_BYTES])
{
    snprintf(path, PLACE_BYTES, "%s/%s", at->folder, name);
    return path;
}

unsigned char *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    *size = (size_t)ftell(file);
    rewind(file);
    unsigned char *bytes = malloc(*size + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *size, file), *size);
    fclose(file);
    return bytes;
}

void write_file(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* FNV-1a, with the size before the bytes. */
static void add(uint64_t *digest, normd_store_bytes bytes)
{
    const unsigned char *byte = bytes.data;
    *digest = (*digest ^ bytes.size) * UINT64_C(0x100000001b3);
    for (size_t i = 0; i < bytes.size; i++) {
        *digest = (*digest ^ byte[i]) * UINT64_C(0x100000001b3);
    }
}

static normd_status add_row(void *context, normd_store_table table, normd_store_bytes key,
    normd_store_bytes value, normd_error *error)
{
    (void)error;
    sums *into = context;
    into->digest ^= (uint64_t)table;
    add(&into->digest, key);
    add(&into->digest, value);
    into->rows++;
    return NORMD_OK;
}

static normd_status add_record(void *context, normd_store_bytes record, normd_error *error)
{
    (void)error;
    sums *into = context;
    add(&into->digest, record);
    into->records++;
    return NORMD_OK;
}

normd_store_reader summing(sums *into)
{
    return (normd_store_reader){.context = into, .row = add_row, .record = add_record};
}

normd_store_bytes text_bytes(const char *text)
{
    return (normd_store_bytes){text, strlen(text)};
}

unsigned char *made_value(uint64_t seed, size_t size)
{
    unsigned char *value = malloc(size + 1);
    assert_non_null(value);
    uint64_t x = seed * 2 + 1;
    for (size_t i = 0; i < size; i++) {
        x = x * UINT64_C(6364136223846793005) + 1;
        value[i] = (unsigned char)(x >> 56);
    }
    return value;
}

normd_base *open_base(const char *path)
{
    normd_error error = {0};
    normd_base *base = NULL;
    if (access(path, F_OK) != 0) {
        assert_ok(normd_base_make(path, &error), error);
    }
    assert_ok(normd_base_open(&(normd_base_options){.path = path}, &base, &error), error);
    return base;
}

sums read_base(normd_base *base)
{
    normd_error error = {0};
    sums read = {0};
    normd_store_reader reader = summing(&read);
    normd_store_report report = {0};
    assert_ok(normd_base_read(base, &reader, &report, &error), error);
    assert_int_equal(report.rows, read.rows);
    return read;
}

void put_in_base(
    normd_base *base, normd_store_table table, const char *key, const void *value, size_t size)
{
    normd_error error = {0};
    normd_store_bytes piece = {value, size};
    assert_ok(normd_base_put(base, table, text_bytes(key), &piece, 1, &error), error);
}

void put_many_in_base(normd_base *base, unsigned rows, size_t most, uint64_t seed)
{
    normd_error error = {0};
    assert_ok(normd_base_begin(base, &error), error);
    for (unsigned i = 0; i < rows; i++) {
        char key[32];
        size_t size = (i * 7919U + (size_t)seed) % most;
        unsigned char *value = made_value(seed + i, size);
        snprintf(key, sizeof key, "row %u of %llu", i, (unsigned long long)seed);
        put_in_base(base, (normd_store_table)(i % NORMD_STORE_TABLES), key, value, size);
        free(value);
    }
    commit_base(base);
}

void commit_base(normd_base *base)
{
    normd_error error = {0};
    const normd_base_facts *facts = normd_base_known(base);
    assert_ok(normd_base_commit(base, facts->epoch, facts->first_segment, &error), error);
}

void assert_store_failed(normd_status status, const normd_error *error, const char *part)
{
    assert_int_equal(status, NORMD_STORE_FAILED);
    if (strstr(error->message, part) == NULL) {
        fail_msg("expected \"%s\" in \"%s\"", part, error->message);
    }
}
