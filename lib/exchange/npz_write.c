// SPDX-License-Identifier: Apache-2.0
#include "lib/exchange/npz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>

#include "lib/exchange/npy.h"
#include "lib/memory/limits.h"

/* Of each member, beside its bytes: its two headers, its name twice, and what libzip adds. */
enum { MEMBER_BYTES = 256, ARCHIVE_BYTES = 256, NAME_BYTES = 200 };

static normd_status fail(zip_t *archive, normd_error *error)
{
    return normd_error_set(
        error, NORMD_INTERNAL, "data: the archive was not made: %s", zip_strerror(archive));
}

/* The array as a .npy file, freed by libzip; its length in *size. */
static char *make_member(const normd_array *array, size_t *size)
{
    char header[NORMD_NPY_HEADER_BYTES];
    size_t header_bytes = normd_npy_write_header(array, header);
    size_t bytes = normd_array_bytes(array);
    char *member = malloc(header_bytes + bytes);
    if (member != NULL) {
        memcpy(member, header, header_bytes);
        if (bytes > 0) {
            memcpy(member + header_bytes, array->data, bytes);
        }
        *size = header_bytes + bytes;
    }
    return member;
}

static normd_status add_member(zip_t *archive, const normd_named_array *named, normd_error *error)
{
    char name[NAME_BYTES];
    snprintf(name, sizeof name, "%s.npy", named->name);
    size_t size = 0;
    char *member = make_member(&named->array, &size);
    if (member == NULL) {
        return normd_error_no_memory(error);
    }
    zip_source_t *source = zip_source_buffer(archive, member, size, 1);
    if (source == NULL) {
        free(member);
        return fail(archive, error);
    }
    zip_int64_t index = zip_file_add(archive, name, source, ZIP_FL_ENC_UTF_8);
    if (index < 0) {
        zip_source_free(source);
        return fail(archive, error);
    }
    /* 1980-01-01, the first day that an archive can have: the same bytes at any time. */
    if (zip_set_file_compression(archive, (zip_uint64_t)index, ZIP_CM_STORE, 0) != 0 ||
        zip_file_set_dostime(archive, (zip_uint64_t)index, 0, 0x21, 0) != 0) {
        return fail(archive, error);
    }
    return NORMD_OK;
}

/* What the archive was written to, as one buffer. */
static normd_status take_bytes(normd_buffer_cache *cache, zip_source_t *source, size_t limit,
    normd_buffer **file, normd_error *error)
{
    zip_stat_t about;
    if (zip_source_stat(source, &about) != 0 || zip_source_open(source) != 0) {
        return normd_error_set(error, NORMD_INTERNAL, "data: the archive was not made");
    }
    size_t size = (size_t)about.size;
    normd_status status = normd_limit_check(limit, size, "data: expected a file of", "", error);
    if (status == NORMD_OK) {
        *file = normd_buffer_take(cache, size);
        status = *file != NULL ? NORMD_OK : normd_error_no_memory(error);
    }
    if (status == NORMD_OK && zip_source_read(source, (*file)->data, size) != (zip_int64_t)size) {
        status = normd_error_set(error, NORMD_INTERNAL, "data: the archive was not made");
        normd_buffer_release(*file);
        *file = NULL;
    }
    zip_source_close(source);
    return status;
}

/* TOO_LARGE before any memory is taken. */
static normd_status check_limit(
    const normd_named_array *arrays, size_t count, size_t limit, normd_error *error)
{
    size_t bytes = ARCHIVE_BYTES;
    for (size_t i = 0; i < count; i++) {
        bytes = normd_bytes_add(bytes, normd_array_bytes(&arrays[i].array));
        bytes = normd_bytes_add(bytes, MEMBER_BYTES);
    }
    return normd_limit_check(limit, bytes, "data: expected a file of", "", error);
}

static normd_status write_archive(
    zip_source_t *source, const normd_named_array *arrays, size_t count, normd_error *error)
{
    zip_error_t why;
    zip_error_init(&why);
    zip_source_keep(source);
    zip_t *archive = zip_open_from_source(source, ZIP_CREATE | ZIP_TRUNCATE, &why);
    if (archive == NULL) {
        zip_source_free(source);
        zip_error_fini(&why);
        return normd_error_no_memory(error);
    }
    normd_status status = NORMD_OK;
    for (size_t i = 0; i < count && status == NORMD_OK; i++) {
        status = add_member(archive, &arrays[i], error);
    }
    if (status == NORMD_OK && zip_close(archive) == 0) {
        zip_error_fini(&why);
        return NORMD_OK;
    }
    if (status == NORMD_OK) {
        status = fail(archive, error);
    }
    zip_discard(archive);
    zip_error_fini(&why);
    return status;
}

/* libzip makes no archive without members; it is the end of the directory alone. */
static normd_status write_empty(normd_buffer_cache *cache, normd_buffer **file, normd_error *error)
{
    static const char end[22] = "PK\5\6";
    *file = normd_buffer_take(cache, sizeof end);
    if (*file == NULL) {
        return normd_error_no_memory(error);
    }
    memcpy((*file)->data, end, sizeof end);
    return NORMD_OK;
}

normd_status normd_npz_write(normd_buffer_cache *cache, const normd_named_array *arrays,
    size_t count, size_t limit, normd_buffer **file, normd_error *error)
{
    *file = NULL;
    normd_status status = check_limit(arrays, count, limit, error);
    if (status != NORMD_OK) {
        return status;
    }
    if (count == 0) {
        return write_empty(cache, file, error);
    }
    zip_error_t why;
    zip_error_init(&why);
    zip_source_t *source = zip_source_buffer_create(NULL, 0, 0, &why);
    zip_error_fini(&why);
    if (source == NULL) {
        return normd_error_no_memory(error);
    }
    status = write_archive(source, arrays, count, error);
    if (status == NORMD_OK) {
        status = take_bytes(cache, source, limit, file, error);
    }
    zip_source_free(source);
    return status;
}
