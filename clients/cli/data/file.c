// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/data/file.h"

#include <errno.h>
#include <fcntl.h>
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

/* Where `path` leads, with the mode that the file there has or a new one gets. A device or a pipe
   (*direct) is written to, never replaced. */
static normd_status find_target(
    const char *path, normd_output *output, mode_t *mode, bool *direct, normd_error *error)
{
    struct stat facts;
    *direct = false;
    *mode = usual_mode();
    if (stat(path, &facts) != 0) {
        output->target = strdup(path);
        return output->target != NULL ? NORMD_OK : normd_error_no_memory(error);
    }
    *mode = facts.st_mode & 0777;
    *direct = !S_ISREG(facts.st_mode) && !S_ISDIR(facts.st_mode);
    output->target = realpath(path, NULL);
    if (output->target == NULL && *direct) {
        output->target = strdup(path); /* a pipe of /dev/stdout has no name of its own */
    }
    return output->target != NULL ? NORMD_OK : fail(error, path);
}

static normd_status begin_temporary(normd_output *output, mode_t mode, normd_error *error)
{
    if (asprintf(&output->temporary, "%s.XXXXXX", output->target) < 0) {
        output->temporary = NULL;
        return normd_error_no_memory(error);
    }
    int fd = mkstemp(output->temporary);
    if (fd >= 0 && fchmod(fd, mode) == 0 && (output->file = fdopen(fd, "wb")) != NULL) {
        return NORMD_OK;
    }
    normd_status status = fail(error, output->path);
    if (fd >= 0) {
        close(fd);
        unlink(output->temporary);
    }
    return status;
}

static void forget(normd_output *output)
{
    free(output->temporary);
    free(output->target);
    output->temporary = NULL;
    output->target = NULL;
    output->file = NULL;
}

normd_status normd_output_begin(const char *path, normd_output *output, normd_error *error)
{
    *output = (normd_output){.path = path};
    if (path == NULL || strcmp(path, "-") == 0) {
        output->path = "standard output";
        output->file = stdout;
        return NORMD_OK;
    }
    mode_t mode;
    bool direct;
    normd_status status = find_target(path, output, &mode, &direct, error);
    if (status == NORMD_OK && !direct) {
        status = begin_temporary(output, mode, error);
    } else if (status == NORMD_OK) {
        output->file = fopen(output->target, "wbe");
        status = output->file != NULL ? NORMD_OK : fail(error, path);
    }
    if (status != NORMD_OK) {
        forget(output);
    }
    return status;
}

/* Brings the new name to the disk. Some file systems cannot sync a folder, and need not. */
static bool sync_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash == NULL   ? strdup(".")
                   : slash == path ? strdup("/")
                                   : strndup(path, (size_t)(slash - path));
    int fd = folder != NULL ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    bool done = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL);
    int code = errno;
    if (fd >= 0) {
        close(fd);
    }
    free(folder);
    errno = code;
    return done;
}

/* The bytes reach the disk before the name does. */
static normd_status make_appear(normd_output *output, normd_error *error)
{
    if (fsync(fileno(output->file)) != 0 || rename(output->temporary, output->target) != 0) {
        normd_status status = fail(error, output->path);
        unlink(output->temporary);
        return status;
    }
    return sync_folder_of(output->target) ? NORMD_OK : fail(error, output->path);
}

normd_status normd_output_commit(normd_output *output, normd_error *error)
{
    normd_status status = NORMD_OK;
    if (fflush(output->file) != 0 || ferror(output->file) != 0) {
        status = fail(error, output->path);
        if (output->temporary != NULL) {
            unlink(output->temporary);
        }
    } else if (output->temporary != NULL) {
        status = make_appear(output, error);
    }
    if (output->file != stdout) {
        fclose(output->file);
    }
    forget(output);
    return status;
}

void normd_output_abort(normd_output *output)
{
    if (output->temporary != NULL) {
        unlink(output->temporary);
    }
    if (output->file != NULL && output->file != stdout) {
        fclose(output->file);
    }
    forget(output);
}
