// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "daemon/store/base_internal.h"
#include "daemon/store/base_pages_internal.h"
#include "daemon/store/bytes.h"

/*
 * LMDB has two first pages and writes the older one at each commit. When that write fails, it
 * writes back a mixture: the trees of the failed commit under the number of the older one. And the
 * page cache may then hold what the disk does not, and count as clean. Pages of the failed commit
 * are used again by the next one, so before that the mixture goes away: the newest state is written
 * into both pages, under the transaction before it in the other one. (Each transaction has its
 * place: even ones page 0, odd ones page 1.)
 */

enum { NUMBER_BYTES = 8 };

static int read_both(int file, unsigned char meta[static 2][BASE_META_BYTES], uint32_t *page_bytes)
{
    if (pread(file, meta[0], BASE_META_BYTES, 0) != BASE_META_BYTES) {
        return EIO;
    }
    *page_bytes = normd_bytes_u32(meta[0] + BASE_META_PAGE_BYTES_AT);
    bool read = normd_base_is_page_size(*page_bytes) &&
                pread(file, meta[1], BASE_META_BYTES, *page_bytes) == BASE_META_BYTES;
    return read ? 0 : EIO;
}

static int write_synced(int file, const unsigned char meta[static BASE_META_BYTES], off_t at)
{
    ssize_t wrote = pwrite(file, meta, BASE_META_BYTES, at);
    if (wrote != BASE_META_BYTES) {
        return wrote < 0 ? errno : ENOSPC;
    }
    return fdatasync(file) == 0 ? 0 : errno;
}

static int settle(int file)
{
    unsigned char meta[2][BASE_META_BYTES];
    uint32_t page_bytes;
    int code = read_both(file, meta, &page_bytes);
    if (code != 0) {
        return code;
    }
    uint64_t zero = normd_bytes_u64(meta[0] + BASE_META_TRANSACTION_AT);
    uint64_t one = normd_bytes_u64(meta[1] + BASE_META_TRANSACTION_AT);
    int newest = one > zero;
    memcpy(meta[1 - newest] + NUMBER_BYTES, meta[newest] + NUMBER_BYTES,
        BASE_META_BYTES - NUMBER_BYTES);
    normd_bytes_put_u64(meta[1 - newest] + BASE_META_TRANSACTION_AT, (newest ? one : zero) - 1);
    /* The newest is on the disk before the other page is touched: a power cut never leaves a page
       that leads to a state newer than both pages' numbers. */
    code = write_synced(file, meta[newest], newest * (off_t)page_bytes);
    return code != 0 ? code
                     : write_synced(file, meta[1 - newest], (1 - newest) * (off_t)page_bytes);
}

int normd_base_settle(const char *path)
{
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) {
        return errno;
    }
    int code = settle(file);
    close(file);
    return code;
}
