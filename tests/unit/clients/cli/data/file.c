// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* What a file holds, terminated; "" when it cannot be read. */
static const char *text_of(const char *path, char text[static 16])
{
    FILE *file = fopen(path, "re");
    size_t got = file != NULL ? fread(text, 1, 15, file) : 0;
    if (file != NULL) {
        fclose(file);
    }
    text[got] = '\0';
    return text;
}

static normd_status write_text(const char *path, size_t bytes, normd_error *error)
{
    normd_output output;
    normd_status status = normd_output_begin(path, &output, error);
    for (size_t i = 0; i < bytes && status == NORMD_OK; i++) {
        fputc('n', output.file);
    }
    return status == NORMD_OK ? normd_output_commit(&output, error) : status;
}

static void a_full_disk_leaves_the_old_file_and_nothing_beside_it(void **state)
{
    (void)state;
    char folder[] = "/tmp/normd-test-XXXXXX", path[64], text[16];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/out", folder);
    normd_error error;
    assert_int_equal(write_text(path, 3, &error), NORMD_OK);

    /* A limit on file sizes fails a write as a full disk does. */
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit old;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    struct rlimit small = {.rlim_cur = 8192, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    normd_status status = write_text(path, 100000, &error);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(status, NORMD_BAD_ARGUMENT);
    assert_non_null(strstr(error.message, "File too large"));
    assert_string_equal(text_of(path, text), "nnn");
    assert_int_equal(count_entries(folder), 1);
    unlink(path);
    rmdir(folder);
}

static void a_link_is_followed_and_the_mode_of_what_it_leads_to_stays(void **state)
{
    (void)state;
    char folder[] = "/tmp/normd-test-XXXXXX", path[64], link[64], text[16];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/real", folder);
    snprintf(link, sizeof link, "%s/link", folder);
    normd_error error;
    struct stat facts;
    assert_int_equal(write_text(path, 1, &error), NORMD_OK);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(symlink("real", link), 0);
    assert_int_equal(write_text(link, 5, &error), NORMD_OK);
    assert_int_equal(lstat(link, &facts), 0);
    assert_true(S_ISLNK(facts.st_mode));
    assert_int_equal(stat(path, &facts), 0);
    assert_int_equal(facts.st_mode & 0777, 0640);
    assert_string_equal(text_of(path, text), "nnnnn");
    assert_int_equal(count_entries(folder), 2);
    unlink(link);
    unlink(path);
    rmdir(folder);
}

static void a_pipe_is_written_to_and_not_replaced(void **state)
{
    (void)state;
    char folder[] = "/tmp/normd-test-XXXXXX", path[64], text[16] = "";
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/pipe", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    int end = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(end >= 0);
    normd_error error;
    assert_int_equal(write_text(path, 4, &error), NORMD_OK);
    assert_int_equal(read(end, text, sizeof text), 4);
    assert_string_equal(text, "nnnn");
    struct stat facts;
    assert_int_equal(stat(path, &facts), 0);
    assert_true(S_ISFIFO(facts.st_mode));
    assert_int_equal(write_text("/dev/full", 4, &error), NORMD_BAD_ARGUMENT);
    assert_int_equal(count_entries(folder), 1);
    close(end);
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
        cmocka_unit_test(a_full_disk_leaves_the_old_file_and_nothing_beside_it),
        cmocka_unit_test(a_link_is_followed_and_the_mode_of_what_it_leads_to_stays),
        cmocka_unit_test(a_pipe_is_written_to_and_not_replaced),
        cmocka_unit_test(what_fails_is_named_and_leaves_nothing),
        cmocka_unit_test(files_of_any_size_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
