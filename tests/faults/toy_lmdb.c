// SPDX-License-Identifier: Apache-2.0
// usage: toy_lmdb write DIRECTORY COUNT [nosync]   commits COUNT transactions, prints each with its
// time
//        toy_lmdb check DIRECTORY                  prints the last transaction, or what is damaged
//
// Proves that the recorded calls of LMDB are all of them. Transaction n writes n under the key 0
// and pages of the byte n under some keys, so that what is there tells which transaction it is
// from.
#include <inttypes.h>
#include <lmdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { KEYS = 40, VALUE = 3000, STRIDE = 7 };

static void must(int status, const char *what)
{
    if (status != 0) {
        fprintf(stderr, "%s: %s\n", what, mdb_strerror(status));
        exit(1);
    }
}

static void put(MDB_txn *txn, MDB_dbi dbi, uint32_t key, void *data, size_t size)
{
    MDB_val name = {sizeof key, &key};
    MDB_val value = {size, data};
    must(mdb_put(txn, dbi, &name, &value, 0), "put");
}

// The key that transaction n writes as its i-th.
static uint32_t key_of(uint32_t n, uint32_t i)
{
    return 1 + (n * STRIDE + i) % KEYS;
}

static void commit(MDB_env *env, uint32_t n)
{
    MDB_txn *txn = NULL;
    MDB_dbi dbi;
    unsigned char value[VALUE];
    must(mdb_txn_begin(env, NULL, 0, &txn), "begin");
    must(mdb_dbi_open(txn, NULL, MDB_INTEGERKEY, &dbi), "open the table");
    memset(value, (int)(n & 0xff), sizeof value);
    for (uint32_t i = 0; i < n % 5 + 1; i++) {
        put(txn, dbi, key_of(n, i), value, sizeof value);
    }
    put(txn, dbi, 0, &n, sizeof n);
    must(mdb_txn_commit(txn), "commit");
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    printf("%" PRIu32 " %" PRIu64 "\n", n,
        (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec);
    fflush(stdout);
}

// The value that a key has after transaction n; -1: none.
static int expected(uint32_t n, uint32_t key)
{
    for (; n > 0; n--) {
        for (uint32_t i = 0; i < n % 5 + 1; i++) {
            if (key_of(n, i) == key) {
                return (int)(n & 0xff);
            }
        }
    }
    return -1;
}

static void check(MDB_env *env)
{
    MDB_txn *txn = NULL;
    MDB_dbi dbi;
    uint32_t n = 0;
    must(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn), "begin");
    must(mdb_dbi_open(txn, NULL, MDB_INTEGERKEY, &dbi), "open the table");
    for (uint32_t key = 0; key <= KEYS; key++) {
        MDB_val name = {sizeof key, &key};
        MDB_val value;
        int status = mdb_get(txn, dbi, &name, &value);
        if (key == 0 && status == 0) {
            memcpy(&n, value.mv_data, sizeof n);
            continue;
        }
        int byte = status == 0 ? *(unsigned char *)value.mv_data : -1;
        if (key > 0 && (byte != expected(n, key) || (byte >= 0 && value.mv_size != VALUE))) {
            printf("damaged: key %" PRIu32 " after transaction %" PRIu32 "\n", key, n);
            exit(2);
        }
    }
    mdb_txn_abort(txn);
    printf("%" PRIu32 "\n", n);
}

int main(int count, char **words)
{
    if (count < 3) {
        return 2;
    }
    MDB_env *env = NULL;
    unsigned int flags = MDB_NOLOCK | (count > 4 ? MDB_NOSYNC : 0);
    must(mdb_env_create(&env), "create");
    must(mdb_env_set_mapsize(env, (size_t)64 << 20), "set the size");
    must(mdb_env_open(env, words[2], flags, 0600), "open");
    if (strcmp(words[1], "check") == 0) {
        check(env);
    } else {
        for (uint32_t n = 1; n <= (uint32_t)atoi(words[3]); n++) {
            commit(env, n);
        }
    }
    mdb_env_close(env);
    return 0;
}
