// SPDX-License-Identifier: Apache-2.0
#include "daemon/store/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "daemon/store/base.h"
#include "daemon/store/directory_lock.h"
#include "daemon/store/files.h"
#include "daemon/store/journal_files.h"

enum { VERSION = 1, MOST_DIGITS = 9, FORMAT_BYTES = 64, FOLDER_MODE = 0700 };

/* A new base has this name until the format file says that all is made. */
static const char NEW_BASE[] = "base/data.mdb.tmp";
static const char BASE[] = "base/data.mdb";

static normd_status failed(
    const normd_directory *directory, const char *name, int code, normd_error *error)
{
    return normd_error_set(
        error, NORMD_STORE_FAILED, "%s/%s: %s", directory->path, name, strerror(code));
}

/* ---- Is it there, and ours? ---- */

static normd_status open_directory(
    const normd_store_options *options, normd_directory *directory, normd_error *error)
{
    const char *path = options->directory;
    if (!options->read_only && mkdir(path, FOLDER_MODE) != 0 && errno != EEXIST) {
        return normd_error_set(error, NORMD_STORE_FAILED,
            "%s: no such directory, and none can be made: %s", path, strerror(errno));
    }
    directory->path = realpath(path, NULL);
    if (directory->path == NULL) {
        return normd_error_set(error, NORMD_STORE_FAILED, "%s: %s", path, strerror(errno));
    }
    directory->descriptor = open(directory->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory->descriptor < 0) {
        return normd_error_set(
            error, NORMD_STORE_FAILED, "%s: expected a directory: %s", path, strerror(errno));
    }
    if (asprintf(&directory->base, "%s/%s", directory->path, BASE) < 0) {
        directory->base = NULL;
        return normd_error_no_memory(error);
    }
    return NORMD_OK;
}

/* The first name that a store in the making does not have; a mount's own folder is let pass. */
static bool is_ours(void *context, int folder, const char *name)
{
    static const char *const OURS[] = {
        "lock", "format.tmp", "base", "journal", "saves", "lost+found"};
    (void)folder;
    for (size_t i = 0; i < sizeof OURS / sizeof OURS[0]; i++) {
        if (strcmp(name, OURS[i]) == 0) {
            return true;
        }
    }
    snprintf(context, NAME_MAX + 1, "%s", name);
    return false;
}

static bool take_name(void *context, int folder, const char *name)
{
    (void)folder;
    snprintf(context, NAME_MAX + 1, "%s", name);
    return false;
}

/* Without a format file: empty, or a store whose making did not come to its end. */
static normd_status check_unmade(const normd_directory *directory, normd_error *error)
{
    char name[NAME_MAX + 1] = "";
    int code = normd_files_each(directory->descriptor, ".", is_ours, name);
    if (code != 0) {
        return failed(directory, "", code, error);
    }
    if (name[0] != '\0' || directory->read_only) {
        return normd_error_set(error, NORMD_STORE_FAILED,
            "%s: expected %s, got one without a file \"format\"%s%s%s", directory->path,
            directory->read_only ? "the directory of a store"
                                 : "an empty directory or that of a store",
            name[0] != '\0' ? " in which \"" : "", name, name[0] != '\0' ? "\" is" : "");
    }
    normd_files_each(directory->descriptor, "journal", take_name, name);
    if (name[0] != '\0' || normd_files_exist(directory->descriptor, BASE)) {
        return normd_error_set(error, NORMD_STORE_FAILED,
            "%s: the file \"format\" is missing, but a store's rows or records are there; if they "
            "are "
            "of version %d, write the line \"normd store %d\" into it%s",
            directory->path, VERSION, VERSION, NORMD_STORE_GO_ON);
    }
    return NORMD_OK;
}

/* The version in the line "normd store N", which is all of the text; 0: it is not that. */
static unsigned version_of(const char *text)
{
    static const char BEGIN[] = "normd store ";
    const char *digits = text + (sizeof BEGIN - 1);
    if (strncmp(text, BEGIN, sizeof BEGIN - 1) != 0) {
        return 0;
    }
    size_t count = strspn(digits, "0123456789");
    bool line = count > 0 && count <= MOST_DIGITS && strcmp(digits + count, "\n") == 0;
    return line ? (unsigned)strtoul(digits, NULL, 10) : 0;
}

static normd_status check_format(const normd_directory *directory, normd_error *error)
{
    char text[FORMAT_BYTES];
    int code = normd_files_read(directory->descriptor, "format", text, sizeof text);
    if (code != 0) {
        return failed(directory, "format", code, error);
    }
    unsigned version = version_of(text);
    if (version == 0) {
        return normd_error_set(error, NORMD_STORE_FAILED,
            "%s/format: expected the line \"normd store %d\", got something else; this is not the "
            "directory of a store, or the file is damaged%s",
            directory->path, VERSION, NORMD_STORE_GO_ON);
    }
    if (version > VERSION) {
        return normd_error_set(error, NORMD_STORE_FAILED,
            "%s/format: expected a store of version %d, got version %u, which a newer normd wrote; "
            "use that one, or export the sessions with it",
            directory->path, VERSION, version);
    }
    return NORMD_OK;
}

int normd_directory_write_format(int folder)
{
    char text[FORMAT_BYTES];
    snprintf(text, sizeof text, "normd store %d\n", VERSION);
    return normd_files_write(folder, "format", text);
}

/* ---- Making one ---- */

static normd_status make_folders(const normd_directory *directory, normd_error *error)
{
    static const char *const FOLDERS[] = {"journal", "base", "saves"};
    for (size_t i = 0; i < sizeof FOLDERS / sizeof FOLDERS[0]; i++) {
        int code = normd_files_make_folder(directory->descriptor, FOLDERS[i]);
        if (code != 0) {
            return failed(directory, FOLDERS[i], code, error);
        }
    }
    return NORMD_OK;
}

static int sync_all_but_format(int directory)
{
    static const char *const FOLDERS[] = {"base", ".", ".."};
    int code = 0;
    for (size_t i = 0; i < sizeof FOLDERS / sizeof FOLDERS[0] && code == 0; i++) {
        code = normd_files_sync_folder(directory, FOLDERS[i]);
        /* The folder above need not let us read it. */
        if (code == EACCES && i == 2) {
            code = 0;
        }
    }
    return code;
}

/* The base under its first name, then the format file: from then on it is a store. A crash before
   leaves what the next start makes anew; a crash after, what it ends. */
static normd_status make_store(const normd_directory *directory, normd_error *error)
{
    char *path;
    normd_status status = make_folders(directory, error);
    if (status != NORMD_OK) {
        return status;
    }
    if (asprintf(&path, "%s/%s", directory->path, NEW_BASE) < 0) {
        return normd_error_no_memory(error);
    }
    normd_files_remove(directory->descriptor, NEW_BASE);
    status = normd_base_make(path, error);
    free(path);
    if (status != NORMD_OK) {
        return status;
    }
    int code = sync_all_but_format(directory->descriptor);
    if (code == 0) {
        code = normd_directory_write_format(directory->descriptor);
    }
    return code == 0 ? NORMD_OK : failed(directory, "format", code, error);
}

static normd_status end_making(const normd_directory *directory, normd_error *error)
{
    int at = directory->descriptor;
    if (normd_files_exist(at, BASE) || !normd_files_exist(at, NEW_BASE)) {
        return NORMD_OK;
    }
    int code = renameat(at, NEW_BASE, at, BASE) == 0 ? normd_files_sync_folder(at, "base") : errno;
    return code == 0 ? NORMD_OK : failed(directory, BASE, code, error);
}

/* ---- What a crash left ---- */

static bool remove_unfinished(void *context, int folder, const char *name)
{
    static const char END[] = ".tmp";
    const char *begin = context;
    size_t length = strlen(name);
    if (strncmp(name, begin, strlen(begin)) == 0 && length >= sizeof END &&
        strcmp(name + length - (sizeof END - 1), END) == 0) {
        normd_files_remove(folder, name);
    }
    return true;
}

static void tidy(const normd_directory *directory)
{
    char any[] = "", hidden[] = ".";
    normd_files_remove(directory->descriptor, "format.tmp");
    normd_files_each(directory->descriptor, "base", remove_unfinished, any);
    normd_files_each(directory->descriptor, "saves", remove_unfinished, hidden);
}

static void note_network(const normd_store_options *options, const normd_directory *directory)
{
    static const unsigned long CIFS = 0xFF534D42, SMB2 = 0xFE534D42;
    struct statfs about;
    if (options->note == NULL || fstatfs(directory->descriptor, &about) != 0) {
        return;
    }
    unsigned long kind = (unsigned long)about.f_type & 0xFFFFFFFF;
    if (kind == NFS_SUPER_MAGIC || kind == SMB_SUPER_MAGIC || kind == CIFS || kind == SMB2) {
        char text[256];
        snprintf(text, sizeof text,
            "%.120s lies on a network file system: its locks and syncs may not hold what a store "
            "needs; use a local disk",
            directory->path);
        options->note(options->context, text);
    }
}

/* What has another name than the store's files in a folder of the store was moved or renamed by
   hand: it may be what is missing. */
static bool is_segment(void *context, int folder, const char *name)
{
    static const char END[] = ".log";
    size_t digits = strspn(name, "0123456789");
    bool ours =
        (digits > 0 && strcmp(name + digits, END) == 0) || strcmp(name, NORMD_JOURNAL_OF_COPY) == 0;
    return ours || take_name(context, folder, name);
}

static bool is_base(void *context, int folder, const char *name)
{
    /* LMDB's own tools make the second. */
    bool ours = strcmp(name, "data.mdb") == 0 || strcmp(name, "data.mdb-lock") == 0 ||
                strcmp(name, "data.mdb.tmp") == 0;
    return ours || take_name(context, folder, name);
}

static normd_status check_names(const normd_directory *directory, normd_error *error)
{
    static const char *const FOLDERS[] = {"journal", "base"};
    for (size_t i = 0; i < 2; i++) {
        char name[NAME_MAX + 1] = "";
        normd_files_each(directory->descriptor, FOLDERS[i], i == 0 ? is_segment : is_base, name);
        if (name[0] != '\0') {
            return normd_error_set(error, NORMD_STORE_FAILED,
                "%s/%s/%s: expected files of the store only, got this one; give it its name again "
                "if it is one of them, else move it out of the directory",
                directory->path, FOLDERS[i], name);
        }
    }
    return NORMD_OK;
}

static normd_status open_journal(normd_directory *directory, normd_error *error)
{
    directory->journal =
        openat(directory->descriptor, "journal", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory->journal >= 0) {
        return NORMD_OK;
    }
    return normd_error_set(error, NORMD_STORE_FAILED,
        "%s/journal: %s; in a copy made by save it is an empty directory, else records were lost%s",
        directory->path, strerror(errno), NORMD_STORE_GO_ON);
}

static normd_status prepare(normd_directory *directory, normd_error *error)
{
    bool made = normd_files_exist(directory->descriptor, "format");
    normd_status status = made ? check_format(directory, error) : check_unmade(directory, error);
    if (status == NORMD_OK) {
        status = normd_directory_lock(directory, error);
    }
    if (status != NORMD_OK || directory->read_only) {
        return status;
    }
    if (!normd_files_exist(directory->descriptor, "format")) {
        status = make_store(directory, error);
    }
    if (status == NORMD_OK) {
        status = end_making(directory, error);
    }
    if (status == NORMD_OK) {
        tidy(directory);
    }
    return status;
}

normd_status normd_directory_open(
    const normd_store_options *options, normd_directory *directory, normd_error *error)
{
    *directory = (normd_directory){
        .descriptor = -1, .journal = -1, .lock = -1, .read_only = options->read_only};
    normd_status status = open_directory(options, directory, error);
    if (status == NORMD_OK) {
        status = prepare(directory, error);
    }
    if (status == NORMD_OK) {
        status = open_journal(directory, error);
    }
    if (status == NORMD_OK) {
        status = check_names(directory, error);
    }
    if (status != NORMD_OK) {
        normd_directory_close(directory);
        return status;
    }
    note_network(options, directory);
    return NORMD_OK;
}

void normd_directory_close(normd_directory *directory)
{
    normd_directory_unlock(directory);
    if (directory->journal >= 0) {
        close(directory->journal);
    }
    if (directory->descriptor >= 0) {
        close(directory->descriptor);
    }
    free(directory->path);
    free(directory->base);
}
