// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_STORE_BASE_PAGES_INTERNAL_H
#define NORMD_DAEMON_STORE_BASE_PAGES_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/store/base_pages.h"

/* Within base_pages.c, base_settle.c and base_tree.c only. */

enum {
    BASE_PAGE_HEADER_BYTES = 16, /* number u64, pad u16, flags u16, then lower and upper u16 */
    BASE_PAGE_BRANCH = 1,
    BASE_PAGE_LEAF = 2,
    BASE_PAGE_OVERFLOW = 4,
    BASE_PAGE_META = 8,
};

/* Of the two first pages, from their begin; the rest is base_pages.c's. */
enum {
    BASE_META_PAGE_BYTES_AT = 40,
    BASE_META_TRANSACTION_AT = 144,
    BASE_META_BYTES = 152,
};

/* That LMDB 0.9 can have. */
static inline bool normd_base_is_page_size(uint32_t bytes)
{
    return bytes >= 512 && bytes <= 32768 && (bytes & (bytes - 1)) == 0;
}

/* The file, mapped, and which of its pages are taken so far. */
typedef struct base_pages {
    const char *path;
    const unsigned char *map;
    size_t size;
    uint32_t page_bytes;
    uint64_t pages;       /* that lie in the file */
    uint64_t last_page;   /* that LMDB gave out; free ones at the end need not lie in the file */
    unsigned char *taken; /* a bit a page, up to the last */
} base_pages;

/* What a first page says of a tree. */
typedef struct base_tree {
    uint16_t flags, depth;
    uint64_t branches, leaves, overflows, entries, root;
} base_tree;

typedef struct base_span {
    const unsigned char *data;
    size_t size;
} base_span;

typedef struct base_tree_walk {
    base_pages *pages;
    const char *name;
    int (*compare)(base_span a, base_span b);
    /* Or NULL: each entry, in order. Its value is NULL when it lies in overflow pages of a tree of
       rows, which is looked at elsewhere. */
    normd_status (*entry)(void *context, base_span key, base_span value, normd_error *error);
    void *context;
    base_tree found; /* counted on the way */
    normd_error *error;
} base_tree_walk;

/* Takes `count` pages from `first`. STORE_FAILED: out of the file, or taken before. */
normd_status normd_base_pages_take(
    base_pages *pages, uint64_t first, uint64_t count, bool in_file, normd_error *error);

/* The whole tree below `tree->root`: headers, bounds, order of keys, overflow pages; what was
   counted equals what `tree` says. Takes each page. */
normd_status normd_base_tree_walk(base_tree_walk *walk, const base_tree *tree);

/* The first entry of a tree, without taking pages; no such: `value->data` is NULL. */
normd_status normd_base_tree_first(
    base_pages *pages, const base_tree *tree, base_span *key, base_span *value, normd_error *error);

#endif
