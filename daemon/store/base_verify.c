// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/store/base_internal.h"
#include "daemon/store/base_pages.h"

/*
 * A child looks through the file, since LMDB ends the process on some damage: first without LMDB
 * (base_pages.c), then each row with it. It says over a pipe what is wrong, one status byte and the
 * message; a child that dies without a word met damage, too.
 */

enum {
    PATIENCE_SECONDS = 600, /* and, for slow disks, a second for each of these: */
    BYTES_A_SECOND = 5 * 1000 * 1000,
};

static normd_status look_through(const char *path, normd_error *error)
{
    normd_status status = normd_base_pages_check(path, error);
    if (status != NORMD_OK) {
        return status;
    }
    normd_base base = {.read_only = true, .map_bytes = 1};
    base.path = strdup(path);
    if (base.path == NULL) {
        return normd_error_no_memory(error);
    }
    status = normd_base_environment(&base, error);
    if (status == NORMD_OK) {
        status = normd_base_read(&base, NULL, NULL, error);
    }
    if (base.env != NULL) {
        mdb_env_close(base.env);
    }
    free(base.path);
    return status;
}

/* What the daemon must not see of the child, and the child not keep of the daemon: its text of a
   failed assertion, its core file, and the lock; and it does not outlive the daemon. */
static void leave_the_parent(pid_t parent, int lock)
{
    static const int ENDING[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGALRM};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(1);
    }
    for (size_t i = 0; i < sizeof ENDING / sizeof ENDING[0]; i++) {
        signal(ENDING[i], SIG_DFL);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    int nothing = open("/dev/null", O_RDWR);
    dup2(nothing, STDOUT_FILENO);
    dup2(nothing, STDERR_FILENO);
    if (lock > STDERR_FILENO) {
        close(lock);
    }
}

static _Noreturn void be_the_child(
    const char *path, off_t size, pid_t parent, int lock, int pipe_end)
{
    leave_the_parent(parent, lock);
    alarm((unsigned)(PATIENCE_SECONDS + size / BYTES_A_SECOND));
    normd_error error = {0};
    error.status = look_through(path, &error);
    ssize_t wrote = write(pipe_end, &error, sizeof error);
    _exit(wrote == (ssize_t)sizeof error ? 0 : 1);
}

/* Until the child has closed its end; the bytes read. */
static size_t listen_to(int pipe_end, void *heard, size_t size)
{
    size_t used = 0;
    while (used < size) {
        ssize_t got = read(pipe_end, (char *)heard + used, size - used);
        if (got == 0 || (got < 0 && errno != EINTR)) {
            break;
        }
        used += got > 0 ? (size_t)got : 0;
    }
    return used;
}

static int wait_for(pid_t child)
{
    int how = 0;
    while (waitpid(child, &how, 0) < 0) {
        if (errno != EINTR) {
            return 0;
        }
    }
    return how;
}

static normd_status judge(const char *path, pid_t child, int pipe_end, normd_error *error)
{
    normd_error heard;
    size_t used = listen_to(pipe_end, &heard, sizeof heard);
    int how = wait_for(child);
    if (used == sizeof heard) {
        return heard.status == NORMD_OK ? NORMD_OK
                                        : normd_error_set(error, heard.status, "%s", heard.message);
    }
    int by_signal = WIFSIGNALED(how) ? WTERMSIG(how) : 0;
    if (by_signal == SIGALRM) {
        return normd_base_damaged(path, error, "looking through it does not come to an end");
    }
    if (by_signal == SIGKILL) {
        return normd_error_set(error, NORMD_STORE_FAILED,
            "%s: the process that looks through it was killed; start again with more memory", path);
    }
    return normd_base_damaged(path, error, "looking through it ended by signal %d", by_signal);
}

normd_status normd_base_verify(const char *path, int lock, normd_error *error)
{
    struct stat file;
    if (stat(path, &file) != 0) {
        return errno == ENOENT
                   ? normd_error_set(
                         error, NORMD_STORE_FAILED, "%s is missing%s", path, NORMD_STORE_GO_ON)
                   : normd_error_set(error, NORMD_STORE_FAILED, "%s: %s", path, strerror(errno));
    }
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return normd_error_set(error, NORMD_STORE_FAILED, "%s: no pipe: %s", path, strerror(errno));
    }
    pid_t parent = getpid(), child = fork();
    if (child == 0) {
        be_the_child(path, file.st_size, parent, lock, ends[1]);
    }
    close(ends[1]);
    normd_status status = child < 0
                              ? normd_error_set(error, NORMD_STORE_FAILED,
                                    "%s: no process to look through it: %s", path, strerror(errno))
                              : judge(path, child, ends[0], error);
    close(ends[0]);
    return status;
}
