// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <stdlib.h>
#include <string.h>
#include <zip.h>

#include "lib/exchange/npz.h"
#include "tests/unit/lib/exchange/golden_npz.h"

enum { PLENTY = 1 << 20 };

static void a_compressed_archive_of_numpy_is_read(void **state)
{
    (void)state;
    normd_npz *npz;
    normd_error error;
    assert_true(normd_npz_detect(golden_npz, GOLDEN_NPZ_BYTES));
    assert_int_equal(normd_npz_open(golden_npz, GOLDEN_NPZ_BYTES, &npz, &error), NORMD_OK);
    assert_int_equal(normd_npz_count(npz), 3);
    assert_string_equal(normd_npz_name(npz, 2), "arr_2");
    size_t index;
    assert_true(normd_npz_find(npz, "arr_1", &index));
    assert_int_equal(index, 1);
    assert_false(normd_npz_find(npz, "arr_3", &index));
    normd_array array;
    const float rows[6] = {0, 1, 2, 3, 4, 5};
    assert_int_equal(normd_npz_read(npz, 0, PLENTY, &array, &error), NORMD_OK);
    assert_int_equal(array.dtype, NORMD_F32);
    assert_memory_equal(array.data, rows, sizeof rows);
    /* In Fortran order in the file, row-major here. */
    const double wide[6] = {0, 1, 2, 3, 4, 5};
    assert_int_equal(normd_npz_read(npz, 1, PLENTY, &array, &error), NORMD_OK);
    assert_int_equal(array.shape.dim[0], 2);
    assert_int_equal(array.shape.dim[1], 3);
    assert_memory_equal(array.data, wide, sizeof wide);
    const int64_t seven = 7;
    assert_int_equal(normd_npz_read(npz, 2, PLENTY, &array, &error), NORMD_OK);
    assert_int_equal(array.shape.rank, 0);
    assert_memory_equal(array.data, &seven, sizeof seven);
    normd_npz_close(npz);
    normd_npz_close(NULL);
}

static void what_is_longer_than_allowed_is_not_unpacked(void **state)
{
    (void)state;
    normd_npz *npz;
    normd_error error;
    normd_array array;
    assert_int_equal(normd_npz_open(golden_npz, GOLDEN_NPZ_BYTES, &npz, &error), NORMD_OK);
    assert_int_equal(normd_npz_read(npz, 0, 151, &array, &error), NORMD_TOO_LARGE);
    assert_string_equal(
        error.message, "data: array \"arr_0\": expected at most 151 bytes, got 152");
    assert_int_equal(normd_npz_read(npz, 0, 152, &array, &error), NORMD_OK);
    normd_npz_close(npz);
}

static void every_shorter_archive_is_refused(void **state)
{
    (void)state;
    for (size_t size = 0; size < GOLDEN_NPZ_BYTES; size++) {
        char *cut = malloc(size + 1);
        memcpy(cut + 1, golden_npz, size);
        normd_npz *npz = (void *)cut;
        normd_error error;
        assert_int_equal(normd_npz_open(cut + 1, size, &npz, &error), NORMD_BAD_ARGUMENT);
        assert_null(npz);
        assert_memory_equal(error.message, "data: ", 6);
        free(cut);
    }
}

static void a_changed_byte_is_an_error_or_changes_nothing(void **state)
{
    (void)state;
    char *copy = malloc(GOLDEN_NPZ_BYTES);
    for (size_t at = 0; at < GOLDEN_NPZ_BYTES; at++) {
        memcpy(copy, golden_npz, GOLDEN_NPZ_BYTES);
        copy[at] = (char)(copy[at] ^ 0x15);
        normd_npz *npz;
        normd_error error = {.status = NORMD_OK};
        normd_array array;
        normd_status status = normd_npz_open(copy, GOLDEN_NPZ_BYTES, &npz, &error);
        for (size_t i = 0; status == NORMD_OK && i < normd_npz_count(npz); i++) {
            if (normd_npz_read(npz, i, PLENTY, &array, &error) != NORMD_OK) {
                break;
            }
            const float first = 0;
            if (i == 0) {
                /* The checksum holds what is read to what was packed. */
                assert_memory_equal(array.data, &first, sizeof first);
            }
        }
        assert_true(error.status == NORMD_OK || strncmp(error.message, "data: ", 6) == 0);
        normd_npz_close(npz);
    }
    free(copy);
}

/* An archive with members of these names, each a few bytes of no .npy file. */
static char *make_archive(const char *const names[], size_t *size)
{
    zip_error_t why;
    zip_error_init(&why);
    zip_source_t *source = zip_source_buffer_create(NULL, 0, 0, &why);
    zip_source_keep(source);
    zip_t *archive = zip_open_from_source(source, ZIP_CREATE | ZIP_TRUNCATE, &why);
    for (size_t i = 0; names[i] != NULL; i++) {
        zip_source_t *member = zip_source_buffer(archive, "bytes", 5, 0);
        assert_true(zip_file_add(archive, names[i], member, ZIP_FL_ENC_UTF_8) >= 0);
    }
    assert_int_equal(zip_close(archive), 0);
    zip_stat_t about;
    zip_source_stat(source, &about);
    *size = (size_t)about.size;
    char *bytes = malloc(*size);
    zip_source_open(source);
    assert_int_equal(zip_source_read(source, bytes, *size), *size);
    zip_source_close(source);
    zip_source_free(source);
    return bytes;
}

static void members_that_are_no_arrays_are_refused(void **state)
{
    (void)state;
    size_t size;
    char *file = make_archive((const char *const[]){"a.npy", "model.json", NULL}, &size);
    normd_npz *npz;
    normd_error error;
    assert_int_equal(normd_npz_open(file, size, &npz, &error), NORMD_BAD_ARGUMENT);
    assert_string_equal(error.message,
        "data: array \"model.json\": expected the name of a .npy file, got another one");
    free(file);
    file = make_archive((const char *const[]){"a.npy", NULL}, &size);
    normd_array array;
    assert_int_equal(normd_npz_open(file, size, &npz, &error), NORMD_OK);
    assert_int_equal(normd_npz_read(npz, 0, PLENTY, &array, &error), NORMD_BAD_ARGUMENT);
    assert_string_equal(error.message,
        "data: array \"a\": expected a .npy file of format 1 to 3, got another or a shorter one");
    normd_npz_close(npz);
    free(file);
}

static void two_members_of_one_name_are_refused(void **state)
{
    (void)state;
    size_t size;
    char *file = make_archive((const char *const[]){"a.npy", "b.npy", NULL}, &size);
    for (size_t at = 0; at + 5 <= size; at++) {
        if (memcmp(file + at, "b.npy", 5) == 0) {
            file[at] = 'a';
        }
    }
    normd_npz *npz;
    normd_error error;
    assert_int_equal(normd_npz_open(file, size, &npz, &error), NORMD_BAD_ARGUMENT);
    assert_string_equal(
        error.message, "data: array \"a\": expected one array of this name, got two");
    free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_compressed_archive_of_numpy_is_read),
        cmocka_unit_test(what_is_longer_than_allowed_is_not_unpacked),
        cmocka_unit_test(every_shorter_archive_is_refused),
        cmocka_unit_test(a_changed_byte_is_an_error_or_changes_nothing),
        cmocka_unit_test(members_that_are_no_arrays_are_refused),
        cmocka_unit_test(two_members_of_one_name_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
