// SPDX-License-Identifier: Apache-2.0
#include "daemon/store/base_pages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/store/base_internal.h"
#include "daemon/store/base_pages_internal.h"
#include "daemon/store/bytes.h"

/* LMDB's layout depends on the machine; this is the one of 64-bit little-endian ones. */
_Static_assert(sizeof(size_t) == 8 && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
    "the layout of LMDB's pages is known for 64-bit little-endian machines");

/* The first two pages, behind their headers: magic u32, version u32, address u64, size of the map
   u64, the tree of free pages, the tree of rows, last page u64, transaction u64. A tree: page size
   u32 (of the first), flags u16, depth u16, then five u64. (LMDB 0.9, mdb.c: MDB_meta, MDB_db.) */
enum {
    VERSION = 1,
    FLAG_INTEGER_KEYS = 8,
    FLAGS_OF_TREES = 0x7f, /* but for what LMDB may keep of the environment's */
};
static const uint32_t MAGIC = 0xBEEFC0DE;

typedef struct meta {
    uint64_t map_bytes, last_page, transaction;
    uint32_t page_bytes;
    base_tree free, rows;
} meta;

static base_tree read_tree(const unsigned char *at)
{
    return (base_tree){
        .flags = normd_bytes_u16(at + 4),
        .depth = normd_bytes_u16(at + 6),
        .branches = normd_bytes_u64(at + 8),
        .leaves = normd_bytes_u64(at + 16),
        .overflows = normd_bytes_u64(at + 24),
        .entries = normd_bytes_u64(at + 32),
        .root = normd_bytes_u64(at + 40),
    };
}

static normd_status read_meta(
    const base_pages *file, size_t offset, unsigned which, meta *read, normd_error *error)
{
    if (file->size < offset + BASE_META_BYTES) {
        return normd_base_damaged(file->path, error,
            file->size == 0 ? "it is empty" : "it is cut within its first pages");
    }
    const unsigned char *page = file->map + offset, *at = page + BASE_PAGE_HEADER_BYTES;
    if (normd_bytes_u64(page) != which || normd_bytes_u16(page + 10) != BASE_PAGE_META ||
        normd_bytes_u32(at) != MAGIC) {
        return normd_base_damaged(
            file->path, error, "page %u does not begin as LMDB's files do", which);
    }
    if (normd_bytes_u32(at + 4) != VERSION) {
        return normd_error_set(error, NORMD_STORE_FAILED,
            "%s: expected a file of LMDB 0.9 (layout %d), got layout %u; use the normd that wrote "
            "it%s",
            file->path, VERSION, normd_bytes_u32(at + 4), NORMD_STORE_GO_ON);
    }
    *read = (meta){
        .map_bytes = normd_bytes_u64(at + 16),
        .page_bytes = normd_bytes_u32(page + BASE_META_PAGE_BYTES_AT),
        .free = read_tree(at + 24),
        .rows = read_tree(at + 72),
        .last_page = normd_bytes_u64(at + 120),
        .transaction = normd_bytes_u64(page + BASE_META_TRANSACTION_AT),
    };
    return NORMD_OK;
}

static normd_status read_metas(base_pages *file, meta metas[static 2], normd_error *error)
{
    normd_status status = read_meta(file, 0, 0, &metas[0], error);
    if (status == NORMD_OK && !normd_base_is_page_size(metas[0].page_bytes)) {
        return normd_base_damaged(file->path, error, "page 0: wrong size of pages");
    }
    if (status == NORMD_OK) {
        status = read_meta(file, metas[0].page_bytes, 1, &metas[1], error);
    }
    if (status != NORMD_OK) {
        return status;
    }
    if (metas[0].page_bytes != metas[1].page_bytes) {
        return normd_base_damaged(file->path, error, "pages 0 and 1 differ in the size of pages");
    }
    file->page_bytes = metas[0].page_bytes;
    file->pages = file->size / file->page_bytes;
    return NORMD_OK;
}

/* The transaction that wrote the facts that a first page leads to; 0: it leads to none. */
static normd_status facts_of(
    base_pages *file, const meta *one, uint64_t *transaction, normd_error *error)
{
    base_span key, value;
    normd_base_facts facts = {0};
    normd_status status = normd_base_tree_first(file, &one->rows, &key, &value, error);
    if (status == NORMD_OK && value.data != NULL) {
        MDB_val name = {key.size, (void *)(uintptr_t)key.data};
        MDB_val row = {value.size, (void *)(uintptr_t)value.data};
        *transaction = normd_base_facts_read(&name, &row, &facts) ? facts.transaction : 0;
    }
    return status;
}

/* Each first page leads to facts that its own transaction wrote, so that an older state cannot pass
   for the newest, which LMDB takes. The other page may also lead to the newest state (settled), or
   to one transaction more, whose last write failed. */
static normd_status check_transactions(
    base_pages *file, const meta metas[static 2], unsigned newest, normd_error *error)
{
    uint64_t wrote[2] = {0, 0}, last = metas[newest].transaction;
    for (unsigned i = 0; i < 2; i++) {
        normd_status status = facts_of(file, &metas[i], &wrote[i], error);
        if (status != NORMD_OK) {
            return status;
        }
        bool right = wrote[i] == metas[i].transaction ||
                     (i != newest && (wrote[i] == last || wrote[i] == last + 1));
        if (!right || wrote[i] == 0 || (metas[i].transaction & 1) != i) {
            return normd_base_damaged(
                file->path, error, "page %u does not lead to the rows of its transaction", i);
        }
    }
    return NORMD_OK;
}

static normd_status check_newest(const base_pages *file, const meta *newest, normd_error *error)
{
    uint16_t free_flags = newest->free.flags & FLAGS_OF_TREES;
    if (free_flags != FLAG_INTEGER_KEYS || newest->rows.flags != 0) {
        return normd_base_damaged(file->path, error, "its first pages name unknown kinds of trees");
    }
    if (newest->last_page < 1 || newest->last_page >= newest->map_bytes / file->page_bytes) {
        return normd_base_damaged(file->path, error, "its first pages name a wrong last page");
    }
    return NORMD_OK;
}

normd_status normd_base_pages_take(
    base_pages *file, uint64_t first, uint64_t count, bool in_file, normd_error *error)
{
    uint64_t end = file->last_page + 1;
    if (in_file && file->pages < end) {
        end = file->pages;
    }
    if (first >= end || count > end - first) {
        return normd_base_damaged(file->path, error,
            "page %llu is in use, but the file ends at page %llu", (unsigned long long)first,
            (unsigned long long)end);
    }
    for (uint64_t page = first; page < first + count; page++) {
        unsigned char bit = (unsigned char)(1U << (page & 7));
        if ((file->taken[page >> 3] & bit) != 0) {
            return normd_base_damaged(
                file->path, error, "page %llu is used for two things", (unsigned long long)page);
        }
        file->taken[page >> 3] |= bit;
    }
    return NORMD_OK;
}

/* An entry of free pages: its key is a transaction; a count u64, then as many pages, descending. */
static normd_status take_free(void *context, base_span key, base_span value, normd_error *error)
{
    base_pages *file = context;
    uint64_t count = value.size < 8 ? 0 : normd_bytes_u64(value.data);
    if (key.size != 8 || value.size < 8 || count > value.size / 8 - 1) {
        return normd_base_damaged(file->path, error, "a list of free pages has a wrong size");
    }
    uint64_t before = UINT64_MAX;
    normd_status status = NORMD_OK;
    for (uint64_t i = 1; i <= count && status == NORMD_OK; i++) {
        uint64_t page = normd_bytes_u64(value.data + 8 * i);
        if (page >= before) {
            return normd_base_damaged(file->path, error, "a list of free pages is out of order");
        }
        before = page;
        status = normd_base_pages_take(file, page, 1, false, error);
    }
    return status;
}

static int compare_rows(base_span a, base_span b)
{
    size_t size = a.size < b.size ? a.size : b.size;
    int order = size == 0 ? 0 : memcmp(a.data, b.data, size);
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

static int compare_numbers(base_span a, base_span b)
{
    uint64_t left = a.size == 8 ? normd_bytes_u64(a.data) : 0;
    uint64_t right = b.size == 8 ? normd_bytes_u64(b.data) : 0;
    return (left > right) - (left < right);
}

/* Only free pages may lie behind the end of the file. */
static normd_status check_end(const base_pages *file, normd_error *error)
{
    for (uint64_t page = file->pages; page <= file->last_page; page++) {
        if ((file->taken[page >> 3] & 1U << (page & 7)) == 0) {
            return normd_base_damaged(file->path, error, "it is cut: expected %llu pages, got %llu",
                (unsigned long long)file->last_page + 1, (unsigned long long)file->pages);
        }
    }
    return NORMD_OK;
}

static normd_status check_trees(base_pages *file, const meta *newest, normd_error *error)
{
    base_tree_walk rows = {.pages = file, .name = "rows", .compare = compare_rows, .error = error};
    base_tree_walk spare = {.pages = file,
        .name = "free pages",
        .compare = compare_numbers,
        .entry = take_free,
        .context = file,
        .error = error};
    normd_status status = normd_base_pages_take(file, 0, 2, true, error);
    if (status == NORMD_OK) {
        status = normd_base_tree_walk(&rows, &newest->rows);
    }
    if (status == NORMD_OK) {
        status = normd_base_tree_walk(&spare, &newest->free);
    }
    return status == NORMD_OK ? check_end(file, error) : status;
}

static normd_status check_file(base_pages *file, normd_error *error)
{
    meta metas[2];
    normd_status status = read_metas(file, metas, error);
    if (status != NORMD_OK) {
        return status;
    }
    unsigned which = metas[1].transaction > metas[0].transaction;
    const meta *newest = &metas[which];
    status = check_transactions(file, metas, which, error);
    if (status == NORMD_OK) {
        status = check_newest(file, newest, error);
    }
    if (status != NORMD_OK) {
        return status;
    }
    file->last_page = newest->last_page;
    file->taken = calloc(1, file->last_page / 8 + 1);
    if (file->taken == NULL) {
        return normd_error_no_memory(error);
    }
    status = check_trees(file, newest, error);
    free(file->taken);
    return status;
}

normd_status normd_base_pages_check(const char *path, normd_error *error)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    struct stat about;
    base_pages file = {.path = path};
    void *map = MAP_FAILED;
    if (descriptor >= 0 && fstat(descriptor, &about) == 0) {
        file.size = (size_t)about.st_size;
        map = mmap(NULL, file.size > 0 ? file.size : 1, PROT_READ, MAP_SHARED, descriptor, 0);
    }
    int code = errno;
    if (descriptor >= 0) {
        close(descriptor);
    }
    if (map == MAP_FAILED) {
        return normd_error_set(
            error, NORMD_STORE_FAILED, "%s: reading failed: %s", path, strerror(code));
    }
    file.map = map;
    normd_status status = check_file(&file, error);
    munmap(map, file.size > 0 ? file.size : 1);
    return status;
}
