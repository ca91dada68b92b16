// SPDX-License-Identifier: Apache-2.0
#include "daemon/store/base.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/store/base_internal.h"

/* Far above what one host trains; the file is sparse, so that it costs address space only. */
static const uint64_t FIRST_MAP_BYTES = UINT64_C(64) << 30;
static const size_t LEAST_MAP_BYTES = (size_t)1 << 20;
enum { FILE_MODE = 0600, FIRST_SEGMENT = 1 };

normd_status normd_base_failed(
    const normd_base *base, const char *doing, int code, normd_error *error)
{
    return normd_error_set(
        error, NORMD_STORE_FAILED, "%s: %s failed: %s", base->path, doing, mdb_strerror(code));
}

normd_status normd_base_damaged(const char *path, normd_error *error, const char *format, ...)
{
    char what[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    return normd_error_set(
        error, NORMD_STORE_FAILED, "%s is damaged (%s)%s", path, what, NORMD_STORE_GO_ON);
}

static int open_environment(normd_base *base, size_t map_bytes)
{
    int code = mdb_env_create(&base->env);
    if (code != 0) {
        base->env = NULL;
        return code;
    }
    unsigned flags = MDB_NOSUBDIR | MDB_NOLOCK | (base->read_only ? MDB_RDONLY : 0);
    code = mdb_env_set_mapsize(base->env, map_bytes);
    if (code == 0) {
        code = mdb_env_open(base->env, base->path, flags, FILE_MODE);
    }
    if (code != 0) {
        mdb_env_close(base->env);
        base->env = NULL;
    }
    return code;
}

/* With less where the address space is limited, but room for the file twice at first. */
static int open_in_some_map(normd_base *base)
{
    struct stat file = {0};
    if (stat(base->path, &file) != 0 && errno != ENOENT) {
        return errno;
    }
    size_t least = (size_t)file.st_size > LEAST_MAP_BYTES ? (size_t)file.st_size : LEAST_MAP_BYTES;
    size_t bytes = base->map_bytes;
    while (bytes < least) {
        bytes *= 2;
    }
    int code = open_environment(base, bytes);
    while (code == ENOMEM && bytes / 2 >= least) {
        bytes /= 2;
        code = open_environment(base, bytes);
    }
    base->map_bytes = bytes;
    return code;
}

static normd_status read_facts(normd_base *base, normd_error *error)
{
    MDB_txn *txn;
    int code = mdb_txn_begin(base->env, NULL, MDB_RDONLY, &txn);
    if (code != 0) {
        return normd_base_failed(base, "reading", code, error);
    }
    MDB_dbi tree;
    code = mdb_dbi_open(txn, NULL, 0, &tree);
    normd_status status = code != 0 ? normd_base_failed(base, "reading", code, error)
                                    : normd_base_facts_get(base, txn, error);
    if (status == NORMD_OK && base->facts.transaction != mdb_txn_id(txn)) {
        status = normd_base_damaged(base->path, error,
            "its first pages name transaction %zu, its rows are of %llu", mdb_txn_id(txn),
            (unsigned long long)base->facts.transaction);
    }
    mdb_txn_abort(txn);
    return status;
}

normd_status normd_base_environment(normd_base *base, normd_error *error)
{
    int code = base->read_only ? 0 : normd_base_settle(base->path);
    if (code == 0) {
        code = open_in_some_map(base);
    }
    if (code == MDB_INVALID) {
        return normd_base_damaged(base->path, error, "not an LMDB file");
    }
    if (code == MDB_VERSION_MISMATCH) {
        return normd_error_set(error, NORMD_STORE_FAILED,
            "%s: expected a file of LMDB 0.9, got one of another version of LMDB; use the normd "
            "that "
            "wrote it, or go on with a copy of the directory that this one wrote",
            base->path);
    }
    if (code != 0) {
        return normd_base_failed(base, "opening", code, error);
    }
    return read_facts(base, error);
}

normd_status normd_base_renew(normd_base *base, normd_error *error)
{
    if (base->env != NULL && !base->spoiled) {
        return NORMD_OK;
    }
    if (base->env != NULL) {
        mdb_env_close(base->env);
        base->env = NULL;
    }
    normd_status status = normd_base_environment(base, error);
    base->spoiled = status != NORMD_OK;
    return status;
}

static normd_base *new_base(const normd_base_options *options)
{
    normd_base *base = calloc(1, sizeof *base);
    if (base == NULL) {
        return NULL;
    }
    pthread_mutex_init(&base->guard, NULL);
    base->read_only = options->read_only;
    base->map_bytes = options->map_bytes;
    if (base->map_bytes == 0) {
        base->map_bytes = FIRST_MAP_BYTES > SIZE_MAX / 4 ? SIZE_MAX / 4 + 1 : FIRST_MAP_BYTES;
    }
    base->path = strdup(options->path);
    if (base->path == NULL) {
        normd_base_close(base);
        return NULL;
    }
    return base;
}

void normd_base_close(normd_base *base)
{
    if (base == NULL) {
        return;
    }
    if (base->txn != NULL) {
        mdb_txn_abort(base->txn);
    }
    if (base->env != NULL) {
        mdb_env_close(base->env);
        /* Not needed: both first pages alike make damage in one of them plain. */
        if (!base->read_only) {
            (void)normd_base_settle(base->path);
        }
    }
    pthread_mutex_destroy(&base->guard);
    free(base->path);
    free(base);
}

const normd_base_facts *normd_base_known(const normd_base *base)
{
    return &base->facts;
}

normd_status normd_base_open(
    const normd_base_options *options, normd_base **base, normd_error *error)
{
    normd_status status = normd_base_verify(options->path, options->lock, error);
    if (status != NORMD_OK) {
        return status;
    }
    normd_base *made = new_base(options);
    if (made == NULL) {
        return normd_error_no_memory(error);
    }
    status = normd_base_environment(made, error);
    if (status != NORMD_OK) {
        normd_base_close(made);
        return status;
    }
    *base = made;
    return NORMD_OK;
}

/* The facts into both meta pages, so that both name a state of this file. */
static normd_status commit_facts_twice(normd_base *base, normd_error *error)
{
    for (int i = 0; i < 2; i++) {
        MDB_txn *txn;
        int code = mdb_txn_begin(base->env, NULL, 0, &txn);
        if (code == 0) {
            base->facts.transaction = mdb_txn_id(txn);
            MDB_dbi tree;
            code = mdb_dbi_open(txn, NULL, 0, &tree);
            if (code == 0) {
                code = normd_base_facts_put(txn, &base->facts);
            }
            if (code != 0) {
                mdb_txn_abort(txn);
            } else {
                code = mdb_txn_commit(txn);
            }
        }
        if (code != 0) {
            return normd_base_failed(base, "writing", code, error);
        }
    }
    return NORMD_OK;
}

/* Opens a file that is new or a copy, without looking through it, and puts the facts into it. */
static normd_status stamp(const char *path, const normd_base_facts *facts, normd_error *error)
{
    normd_base *base = new_base(&(normd_base_options){.path = path});
    if (base == NULL) {
        return normd_error_no_memory(error);
    }
    base->facts = *facts;
    int code = open_in_some_map(base);
    normd_status status = code != 0 ? normd_base_failed(base, "making", code, error)
                                    : commit_facts_twice(base, error);
    if (status == NORMD_OK) {
        code = mdb_env_sync(base->env, 1);
        status = code == 0 ? NORMD_OK : normd_base_failed(base, "syncing", code, error);
    }
    normd_base_close(base);
    return status;
}

normd_status normd_base_make(const char *path, normd_error *error)
{
    return stamp(path, &(normd_base_facts){.first_segment = FIRST_SEGMENT}, error);
}

static int copy_to(normd_base *base, const char *path)
{
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
    if (file < 0) {
        return errno;
    }
    int code = mdb_env_copyfd2(base->env, file, MDB_CP_COMPACT);
    if (code == 0 && fsync(file) != 0) {
        code = errno;
    }
    if (close(file) != 0 && code == 0) {
        code = errno;
    }
    return code;
}

normd_status normd_base_copy(normd_base *base, const char *path, normd_error *error)
{
    pthread_mutex_lock(&base->guard);
    normd_status status = normd_base_renew(base, error);
    normd_base_facts facts = base->facts;
    if (status == NORMD_OK) {
        int code = copy_to(base, path);
        if (code != 0) {
            status = normd_error_set(error, NORMD_STORE_FAILED, "%s: copying the base failed: %s",
                path, mdb_strerror(code));
        }
    }
    pthread_mutex_unlock(&base->guard);
    return status == NORMD_OK ? stamp(path, &facts, error) : status;
}
