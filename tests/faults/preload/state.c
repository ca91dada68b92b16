// SPDX-License-Identifier: Apache-2.0
#include "tests/faults/preload/state.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

struct faults_state faults = {.lock = PTHREAD_MUTEX_INITIALIZER, .log = -1};

void faults_lock(void)
{
    pthread_mutex_lock(&faults.lock);
}

void faults_unlock(void)
{
    pthread_mutex_unlock(&faults.lock);
}

struct faults_file *faults_file_of(int fd)
{
    if (!faults.ready || fd < 0 || fd >= FAULTS_DESCRIPTORS) {
        return NULL;
    }
    struct faults_file *file = &faults.files[fd];
    return atomic_load(&file->handle) != 0 ? file : NULL;
}

void faults_forget(int fd)
{
    struct faults_file *file = faults_file_of(fd);
    if (file != NULL) {
        atomic_store(&file->handle, 0);
    }
}

const char *faults_below(const char *path)
{
    if (strncmp(path, faults.root, faults.root_size) != 0) {
        return NULL;
    }
    const char *rest = path + faults.root_size;
    if (*rest == '\0') {
        return rest;
    }
    return *rest == '/' ? rest + 1 : NULL;
}

// A file of this library's own, at a descriptor that the program does not count on.
static int open_high(const char *path, int flags)
{
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0600);
    if (fd < 0) {
        perror(path);
        abort();
    }
    int high = (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 900);
    if (high >= 0) {
        syscall(SYS_close, fd);
        return high;
    }
    return fd;
}

// A child that looks at the files is not the program; it may have closed our log, too.
static void leave_children_alone(void)
{
    faults.ready = false;
}

__attribute__((constructor)) static void start(void)
{
    const char *root = getenv(FAULTS_ENV_DIRECTORY);
    const char *log = getenv(FAULTS_ENV_LOG);
    const char *control = getenv(FAULTS_ENV_CONTROL);
    if (root == NULL || strlen(root) >= sizeof faults.root) {
        return;
    }
    faults.root_size = strlen(root);
    memcpy(faults.root, root, faults.root_size + 1);
    // Handles stay unique when several processes, one after another, write one log.
    faults.handles = (uint64_t)getpid() << 32;
    if (log != NULL) {
        faults.log = open_high(log, O_WRONLY | O_APPEND | O_CREAT);
    }
    if (control != NULL) {
        int fd = open_high(control, O_RDWR);
        void *page = mmap(NULL, FAULTS_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (page == MAP_FAILED) {
            perror(control);
            abort();
        }
        syscall(SYS_close, fd);
        faults.control = page;
    }
    pthread_atfork(NULL, NULL, leave_children_alone);
    faults.ready = true;
}
