// SPDX-License-Identifier: Apache-2.0
#include "daemon/store/directory_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

enum { FILE_MODE = 0600, PID_BYTES = 32, MOST_TRIES = 50 };

/* The kernel gives the lock up with the process, whichever way it ends; the number in the file only
   tells whom to look for. */
static normd_status in_use(const normd_directory *directory, int file, normd_error *error)
{
    char text[PID_BYTES] = "";
    ssize_t got = pread(file, text, sizeof text - 1, 0);
    long process = got > 0 ? strtol(text, NULL, 10) : 0;
    char who[64] = "a check of it";
    if (process > 0) {
        snprintf(who, sizeof who, "another normd (process %ld)", process);
    }
    return normd_error_set(error, NORMD_STORE_FAILED, "%s is in use by %s; %s", directory->path,
        who,
        directory->read_only ? "check a copy made by save, or stop it first"
                             : "stop it first, or give this one another directory");
}

static void write_process(int file)
{
    char text[PID_BYTES];
    int length = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    /* Only told to people: a full disk is no reason not to start. */
    if (ftruncate(file, 0) == 0) {
        ssize_t wrote = pwrite(file, text, (size_t)length, 0);
        (void)wrote;
    }
}

/* A process that was killed a moment ago may not be gone yet, nor its child that looked through the
   base: a restart waits for them a little. */
static int take_lock(int file, int kind)
{
    const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
    int code = flock(file, kind | LOCK_NB) == 0 ? 0 : errno;
    for (int i = 0; i < MOST_TRIES && (code == EWOULDBLOCK || code == EINTR); i++) {
        nanosleep(&pause, NULL);
        code = flock(file, kind | LOCK_NB) == 0 ? 0 : errno;
    }
    return code;
}

normd_status normd_directory_lock(normd_directory *directory, normd_error *error)
{
    bool alone = !directory->read_only;
    int flags = alone ? O_RDWR | O_CREAT | O_CLOEXEC : O_RDONLY | O_CLOEXEC;
    int file = openat(directory->descriptor, "lock", flags, FILE_MODE);
    if (file < 0) {
        return alone ? normd_error_set(error, NORMD_STORE_FAILED, "%s/lock: cannot be written: %s",
                           directory->path, strerror(errno))
                     : NORMD_OK;
    }
    int code = take_lock(file, alone ? LOCK_EX : LOCK_SH);
    if (code != 0) {
        normd_status status = code == EWOULDBLOCK ? in_use(directory, file, error)
                                                  : normd_error_set(error, NORMD_STORE_FAILED,
                                                        "%s/lock: cannot be locked: %s",
                                                        directory->path, strerror(code));
        close(file);
        return status;
    }
    if (alone) {
        write_process(file);
    }
    directory->lock = file;
    return NORMD_OK;
}

void normd_directory_unlock(normd_directory *directory)
{
    if (directory->lock < 0) {
        return;
    }
    if (!directory->read_only) {
        int code = ftruncate(directory->lock, 0);
        (void)code;
    }
    close(directory->lock);
    directory->lock = -1;
}
