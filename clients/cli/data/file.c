// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/data/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static normd_status fail(normd_error *error, const char *path)
{
    return normd_error_set(error, NORMD_BAD_ARGUMENT, "%s: %s", path, strerror(errno));
}

normd_status normd_file_read(const char *path, void **data, size_t *size, normd_error *error)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rbe");
    if (file == NULL) {
        return fail(error, path);
    }
    char *bytes = NULL;
    size_t have = 0;
    size_t capacity = 0;
    for (;;) {
        if (have == capacity) {
            capacity = capacity == 0 ? 1 << 16 : capacity * 2;
            char *grown = realloc(bytes, capacity);
            if (grown == NULL) {
                break;
            }
            bytes = grown;
        }
        size_t count = fread(bytes + have, 1, capacity - have, file);
        have += count;
        if (count == 0) {
            break;
        }
    }
    normd_status status = have == capacity    ? normd_error_no_memory(error)
                          : ferror(file) != 0 ? fail(error, path)
                                              : NORMD_OK;
    if (file != stdin) {
        fclose(file);
    }
    if (status != NORMD_OK) {
        free(bytes);
        return status;
    }
    *data = bytes;
    *size = have;
    return NORMD_OK;
}

/* The mode that a newly made file would have; mkstemp's is for its owner alone. */
static mode_t usual_mode(void)
{
    mode_t mask = umask(0);
    umask(mask);
    return 0666 & ~mask;
}

normd_status normd_output_begin(const char *path, normd_output *output, normd_error *error)
{
    *output = (normd_output){.path = path};
    if (path == NULL || strcmp(path, "-") == 0) {
        output->path = "standard output";
        output->file = stdout;
        return NORMD_OK;
    }
    if (asprintf(&output->temporary, "%s.XXXXXX", path) < 0) {
        return normd_error_no_memory(error);
    }
    int fd = mkstemp(output->temporary);
    if (fd < 0 || fchmod(fd, usual_mode()) != 0 || (output->file = fdopen(fd, "wb")) == NULL) {
        fail(error, path);
        if (fd >= 0) {
            close(fd);
            unlink(output->temporary);
        }
        free(output->temporary);
        return NORMD_BAD_ARGUMENT;
    }
    return NORMD_OK;
}

normd_status normd_output_commit(normd_output *output, normd_error *error)
{
    if (output->temporary == NULL) {
        return fflush(stdout) == 0 && ferror(stdout) == 0 ? NORMD_OK : fail(error, output->path);
    }
    normd_status status = NORMD_OK;
    /* The bytes reach the disk before the name does. */
    if (fflush(output->file) != 0 || ferror(output->file) != 0 ||
        fsync(fileno(output->file)) != 0 || rename(output->temporary, output->path) != 0) {
        status = fail(error, output->path);
        unlink(output->temporary);
    }
    fclose(output->file);
    free(output->temporary);
    return status;
}

void normd_output_abort(normd_output *output)
{
    if (output->temporary != NULL) {
        fclose(output->file);
        unlink(output->temporary);
        free(output->temporary);
    }
}
