// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "clients/cli/data/file.h"
#include "tests/unit/clients/temporary_file.h"

static size_t count_entries(const char *folder)
{
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    size_t count = 0;
    while (readdir(dir) != NULL) {
        count++;
    }
    closedir(dir);
    return count - 2;
}

static void a_file_appears_only_when_it_is_whole(void **state)
{
    (void)state;
    char folder[] = "/tmp/normd-test-XXXXXX";
    assert_non_null(mkdtemp(folder));
    char path[64];
    snprintf(path, sizeof path, "%s/out", folder);
    normd_output output;
    normd_error error;
    assert_int_equal(normd_output_begin(path, &output, &error), NORMD_OK);
    fputs("old", output.file);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(normd_output_commit(&output, &error), NORMD_OK);

    assert_int_equal(normd_output_begin(path, &output, &error), NORMD_OK);
    fputs("half", output.file);
    normd_output_abort(&output);
    void *data;
    size_t size;
    assert_int_equal(normd_file_read(path, &data, &size, &error), NORMD_OK);
    assert_int_equal(size, 3);
    assert_memory_equal(data, "old", 3);
    free(data);
    assert_int_equal(count_entries(folder), 1);
    unlink(path);
    rmdir(folder);
}

static void what_fails_is_named_and_leaves_nothing(void **state)
{
    (void)state;
    normd_output output;
    normd_error error;
    void *data;
    size_t size;
    assert_int_equal(normd_output_begin("/nonexistent/out", &output, &error), NORMD_BAD_ARGUMENT);
    assert_string_equal(error.message, "/nonexistent/out: No such file or directory");
    assert_int_equal(normd_file_read("/nonexistent/in", &data, &size, &error), NORMD_BAD_ARGUMENT);
    assert_int_equal(normd_file_read("/tmp", &data, &size, &error), NORMD_BAD_ARGUMENT);

    /* The name is taken by a folder that is not empty, so that the renaming fails. */
    char folder[] = "/tmp/normd-test-XXXXXX";
    assert_non_null(mkdtemp(folder));
    char path[64];
    char inner[64];
    snprintf(path, sizeof path, "%s/a", folder);
    snprintf(inner, sizeof inner, "%s/a/b", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(mkdir(inner, 0700), 0);
    assert_int_equal(normd_output_begin(path, &output, &error), NORMD_OK);
    assert_int_equal(normd_output_commit(&output, &error), NORMD_BAD_ARGUMENT);
    assert_int_equal(count_entries(folder), 1);
    rmdir(inner);
    rmdir(path);
    rmdir(folder);
}

static void files_of_any_size_are_read(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 65535, 65536, 65537, 200000};
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        char *bytes = malloc(sizes[k] + 1);
        memset(bytes, (int)k, sizes[k] + 1);
        temporary_file file = temporary_file_create(bytes, sizes[k]);
        void *data;
        size_t size;
        normd_error error;
        assert_int_equal(normd_file_read(file.path, &data, &size, &error), NORMD_OK);
        assert_int_equal(size, sizes[k]);
        assert_memory_equal(data, bytes, size);
        free(data);
        free(bytes);
        unlink(file.path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_appears_only_when_it_is_whole),
        cmocka_unit_test(what_fails_is_named_and_leaves_nothing),
        cmocka_unit_test(files_of_any_size_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
