// SPDX-License-Identifier: Apache-2.0
// Names: their resolution, and the calls that change them.
#include "tests/faults/preload/names.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/faults/preload/inject.h"
#include "tests/faults/preload/record.h"
#include "tests/faults/preload/state.h"

// Puts `path` behind the path of the directory `folder`.
static bool join(int folder, const char *path, char *whole)
{
    if (path[0] == '/' || folder == AT_FDCWD) {
        return snprintf(whole, PATH_MAX, "%s", path) < PATH_MAX;
    }
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    ssize_t size = readlink(link, whole, PATH_MAX - 1);
    if (size < 0) {
        return false;
    }
    size_t room = PATH_MAX - (size_t)size;
    return (size_t)snprintf(whole + size, room, "/%s", path) < room;
}

// The folder's real path with the last name behind it: the name itself may be new.
static bool canonical(const char *given, char *whole)
{
    if (realpath(given, whole) != NULL) {
        return true;
    }
    char parent[PATH_MAX];
    snprintf(parent, sizeof parent, "%s", given);
    size_t size = strlen(parent);
    while (size > 1 && parent[size - 1] == '/') {
        parent[--size] = '\0';
    }
    char *slash = strrchr(parent, '/');
    const char *name = slash == NULL ? parent : slash + 1;
    if (slash != NULL) {
        *slash = '\0';
    }
    if (realpath(slash == NULL ? "." : parent[0] == '\0' ? "/" : parent, whole) == NULL) {
        return false;
    }
    size_t used = strlen(whole);
    size_t room = PATH_MAX - used;
    return (size_t)snprintf(whole + used, room, "/%s", name) < room;
}

const char *faults_resolve(int folder, const char *path, char *whole)
{
    char joined[PATH_MAX];
    int saved = errno;
    bool found = join(folder, path, joined) && canonical(joined, whole);
    errno = saved;
    return found ? faults_below(whole) : NULL;
}

// One call about one name: judged, done and recorded.
struct change {
    enum faults_kind kind;
    size_t growth;
    const char *path; // below the directory; NULL: not watched
    char whole[PATH_MAX];
};

static int refused(struct change *change)
{
    int error = faults_judge(FAULTS_NAME, change->path, 0, change->growth).error;
    if (error != 0) {
        errno = error;
    }
    return error;
}

static int make_folder(int folder, const char *path, mode_t mode)
{
    struct change change = {.kind = FAULTS_MKDIR, .growth = 1};
    change.path = faults.ready ? faults_resolve(folder, path, change.whole) : NULL;
    if (change.path == NULL) {
        return (int)syscall(SYS_mkdirat, folder, path, mode);
    }
    faults_lock();
    int status = refused(&change) != 0 ? -1 : (int)syscall(SYS_mkdirat, folder, path, mode);
    if (status == 0) {
        faults_record_event(change.kind, 0, 0, change.path, strlen(change.path));
    }
    faults_unlock();
    return status;
}

static int remove_name(int folder, const char *path, int flags)
{
    struct change change = {.kind = (flags & AT_REMOVEDIR) != 0 ? FAULTS_RMDIR : FAULTS_REMOVED};
    change.path = faults.ready ? faults_resolve(folder, path, change.whole) : NULL;
    if (change.path == NULL) {
        return (int)syscall(SYS_unlinkat, folder, path, flags);
    }
    faults_lock();
    int status = refused(&change) != 0 ? -1 : (int)syscall(SYS_unlinkat, folder, path, flags);
    if (status == 0) {
        faults_record_event(change.kind, 0, 0, change.path, strlen(change.path));
    }
    faults_unlock();
    return status;
}

// rename and link: two names. A name that comes from elsewhere or goes there would leave the log
// without its bytes, so that ends the program.
static int two_names(enum faults_kind kind, int from_folder, const char *from, int to_folder,
    const char *to, int flags)
{
    long number = kind == FAULTS_RENAMED ? SYS_renameat2 : SYS_linkat;
    struct change old = {.kind = kind};
    struct change new = {.kind = kind, .growth = 1};
    old.path = faults.ready ? faults_resolve(from_folder, from, old.whole) : NULL;
    new.path = faults.ready ? faults_resolve(to_folder, to, new.whole) : NULL;
    if (old.path == NULL && new.path == NULL) {
        return (int)syscall(number, from_folder, from, to_folder, to, flags);
    }
    if (old.path == NULL || new.path == NULL) {
        fprintf(
            stderr, "faults: a name crosses the watched directory's border: %s, %s\n", from, to);
        abort();
    }
    faults_lock();
    bool bad = refused(&new) != 0;
    int status = bad ? -1 : (int)syscall(number, from_folder, from, to_folder, to, flags);
    if (status == 0) {
        char names[2 * PATH_MAX];
        int size = snprintf(names, sizeof names, "%s%c%s", old.path, '\0', new.path);
        faults_record_event(kind, 0, 0, names, (size_t)size);
    }
    faults_unlock();
    return status;
}

FAULTS_EXPORT int mkdir(const char *path, mode_t mode)
{
    return make_folder(AT_FDCWD, path, mode);
}

FAULTS_EXPORT int mkdirat(int folder, const char *path, mode_t mode)
{
    return make_folder(folder, path, mode);
}

FAULTS_EXPORT int unlink(const char *path)
{
    return remove_name(AT_FDCWD, path, 0);
}

FAULTS_EXPORT int unlinkat(int folder, const char *path, int flags)
{
    return remove_name(folder, path, flags);
}

FAULTS_EXPORT int rmdir(const char *path)
{
    return remove_name(AT_FDCWD, path, AT_REMOVEDIR);
}

// The C library's own remove calls unlink and rmdir within itself.
FAULTS_EXPORT int remove(const char *path)
{
    int status = unlink(path);
    return status != 0 && (errno == EISDIR || errno == EPERM) ? rmdir(path) : status;
}

FAULTS_EXPORT int rename(const char *from, const char *to)
{
    return two_names(FAULTS_RENAMED, AT_FDCWD, from, AT_FDCWD, to, 0);
}

FAULTS_EXPORT int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    return two_names(FAULTS_RENAMED, from_folder, from, to_folder, to, 0);
}

FAULTS_EXPORT int renameat2(
    int from_folder, const char *from, int to_folder, const char *to, unsigned int flags)
{
    return two_names(FAULTS_RENAMED, from_folder, from, to_folder, to, (int)flags);
}

FAULTS_EXPORT int link(const char *from, const char *to)
{
    return two_names(FAULTS_LINKED, AT_FDCWD, from, AT_FDCWD, to, 0);
}

FAULTS_EXPORT int linkat(
    int from_folder, const char *from, int to_folder, const char *to, int flags)
{
    return two_names(FAULTS_LINKED, from_folder, from, to_folder, to, flags);
}
