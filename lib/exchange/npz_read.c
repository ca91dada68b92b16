// SPDX-License-Identifier: Apache-2.0
#include "lib/exchange/npz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>

#include "lib/exchange/npy.h"
#include "lib/options/options.h"
#include "lib/tensor/permute.h"

enum { MAX_MEMBERS = 65535 };

static const char suffix[] = ".npy";

struct normd_npz {
    zip_t *archive;
    size_t count;
    char **name; /* without the suffix */
    char *member;
    char *turned; /* a member in row-major order, where it was not */
};

bool normd_npz_detect(const void *file, size_t size)
{
    /* A member's header, or the directory of an empty archive. */
    return size >= 4 && (memcmp(file, "PK\3\4", 4) == 0 || memcmp(file, "PK\5\6", 4) == 0);
}

static normd_status fail_zip(
    normd_error *error, const char *expected, const char *name, const char *why)
{
    char shown[NORMD_OPTIONS_SHOW_BYTES];
    if (name == NULL) {
        return normd_error_set(
            error, NORMD_BAD_ARGUMENT, "data: expected %s, got an error: %s", expected, why);
    }
    return normd_error_set(error, NORMD_BAD_ARGUMENT, "data: array %s: expected %s, got %s",
        normd_options_show_string(name, strlen(name), shown, sizeof shown), expected, why);
}

/* Opens the archive over the bytes, which libzip only reads. */
static zip_t *open_archive(const void *file, size_t size, normd_error *error)
{
    zip_error_t why;
    zip_error_init(&why);
    zip_source_t *source = zip_source_buffer_create(file, size, 0, &why);
    zip_t *archive = source == NULL ? NULL : zip_open_from_source(source, ZIP_RDONLY, &why);
    if (archive == NULL) {
        zip_source_free(source);
        fail_zip(error, "a zip archive of .npy files", NULL, zip_error_strerror(&why));
    }
    zip_error_fini(&why);
    return archive;
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

static normd_status check_names(const normd_npz *npz, normd_error *error)
{
    char **sorted = calloc(npz->count + 1, sizeof *sorted);
    if (sorted == NULL) {
        return normd_error_no_memory(error);
    }
    memcpy(sorted, npz->name, npz->count * sizeof *sorted);
    qsort(sorted, npz->count, sizeof *sorted, compare_names);
    normd_status status = NORMD_OK;
    for (size_t i = 1; i < npz->count && status == NORMD_OK; i++) {
        if (strcmp(sorted[i - 1], sorted[i]) == 0) {
            status = fail_zip(error, "one array of this name", sorted[i], "two");
        }
    }
    free(sorted);
    return status;
}

static normd_status read_names(normd_npz *npz, normd_error *error)
{
    zip_int64_t count = zip_get_num_entries(npz->archive, 0);
    if (count < 0 || count > MAX_MEMBERS) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "data: expected an archive of at most %d arrays, got %lld", MAX_MEMBERS,
            (long long)count);
    }
    npz->name = calloc((size_t)count + 1, sizeof *npz->name);
    if (npz->name == NULL) {
        return normd_error_no_memory(error);
    }
    for (zip_int64_t i = 0; i < count; i++) {
        const char *name = zip_get_name(npz->archive, (zip_uint64_t)i, ZIP_FL_ENC_GUESS);
        size_t length = name == NULL ? 0 : strlen(name);
        size_t stem = length < sizeof suffix - 1 ? 0 : length - (sizeof suffix - 1);
        if (name == NULL || length < sizeof suffix - 1 || strcmp(name + stem, suffix) != 0) {
            return fail_zip(
                error, "the name of a .npy file", name == NULL ? "" : name, "another one");
        }
        npz->name[npz->count] = strndup(name, stem);
        if (npz->name[npz->count] == NULL) {
            return normd_error_no_memory(error);
        }
        npz->count++;
    }
    return check_names(npz, error);
}

normd_status normd_npz_open(const void *file, size_t size, normd_npz **npz, normd_error *error)
{
    *npz = NULL;
    if (!normd_npz_detect(file, size)) {
        return fail_zip(error, "a zip archive of .npy files", NULL, "it begins otherwise");
    }
    normd_npz *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return normd_error_no_memory(error);
    }
    made->archive = open_archive(file, size, error);
    normd_status status = made->archive == NULL ? NORMD_BAD_ARGUMENT : read_names(made, error);
    if (status != NORMD_OK) {
        normd_npz_close(made);
        return status;
    }
    *npz = made;
    return NORMD_OK;
}

void normd_npz_close(normd_npz *npz)
{
    if (npz == NULL) {
        return;
    }
    if (npz->archive != NULL) {
        zip_discard(npz->archive);
    }
    for (size_t i = 0; i < npz->count; i++) {
        free(npz->name[i]);
    }
    free(npz->name);
    free(npz->member);
    free(npz->turned);
    free(npz);
}

size_t normd_npz_count(const normd_npz *npz)
{
    return npz->count;
}

const char *normd_npz_name(const normd_npz *npz, size_t index)
{
    assert(index < npz->count);
    return npz->name[index];
}

bool normd_npz_find(const normd_npz *npz, const char *name, size_t *index)
{
    for (size_t i = 0; i < npz->count; i++) {
        if (strcmp(npz->name[i], name) == 0) {
            *index = i;
            return true;
        }
    }
    return false;
}

/* Unpacks exactly `size` bytes of the open member; the checksum is checked at its end. */
static bool read_whole(zip_file_t *file, char *to, size_t size)
{
    size_t done = 0;
    while (done < size) {
        zip_int64_t got = zip_fread(file, to + done, size - done);
        if (got <= 0) {
            return false;
        }
        done += (size_t)got;
    }
    char more;
    return zip_fread(file, &more, 1) == 0;
}

static normd_status unpack(normd_npz *npz, size_t index, size_t size, normd_error *error)
{
    free(npz->member);
    npz->member = malloc(size + 1);
    if (npz->member == NULL) {
        return normd_error_no_memory(error);
    }
    zip_file_t *file = zip_fopen_index(npz->archive, index, 0);
    if (file == NULL) {
        return fail_zip(
            error, "a member that can be unpacked", npz->name[index], zip_strerror(npz->archive));
    }
    bool whole = read_whole(file, npz->member, size);
    zip_fclose(file);
    return whole ? NORMD_OK
                 : fail_zip(error, "as many bytes as the archive says, with their checksum",
                       npz->name[index], "others");
}

/* Into row-major order. */
static normd_status turn(normd_npz *npz, normd_array *array, normd_error *error)
{
    normd_array stored = *array;
    uint8_t axes[NORMD_MAX_RANK];
    for (uint32_t axis = 0; axis < array->shape.rank && axis < NORMD_MAX_RANK; axis++) {
        axes[axis] = (uint8_t)(array->shape.rank - 1 - axis);
        stored.shape.dim[axis] = array->shape.dim[axes[axis]];
    }
    free(npz->turned);
    npz->turned = malloc(normd_array_bytes(array) + 1);
    if (npz->turned == NULL) {
        return normd_error_no_memory(error);
    }
    normd_permute_values(
        &stored.shape, axes, normd_dtype_size(array->dtype), array->data, npz->turned);
    array->data = npz->turned;
    return NORMD_OK;
}

normd_status normd_npz_read(
    normd_npz *npz, size_t index, size_t most, normd_array *array, normd_error *error)
{
    assert(index < npz->count);
    const char *name = npz->name[index];
    zip_stat_t about;
    if (zip_stat_index(npz->archive, index, 0, &about) != 0 || (about.valid & ZIP_STAT_SIZE) == 0) {
        return fail_zip(error, "a member of a known size", name, "none");
    }
    if (about.size > most) {
        char shown[NORMD_OPTIONS_SHOW_BYTES];
        return normd_error_set(error, NORMD_TOO_LARGE,
            "data: array %s: expected at most %zu bytes, got %llu",
            normd_options_show_string(name, strlen(name), shown, sizeof shown), most,
            (unsigned long long)about.size);
    }
    bool fortran = false;
    normd_status status = unpack(npz, index, (size_t)about.size, error);
    if (status == NORMD_OK) {
        status = normd_npy_read(name, npz->member, (size_t)about.size, array, &fortran, error);
    }
    if (status == NORMD_OK && fortran && array->shape.rank > 1) {
        status = turn(npz, array, error);
    }
    return status;
}
