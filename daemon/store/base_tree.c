// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "daemon/store/base_internal.h"
#include "daemon/store/base_pages_internal.h"
#include "daemon/store/bytes.h"

/*
 * A page of a tree: the header, then an offset u16 for each node up to `lower`; the nodes from
 * `upper` to the end of the page. A node: low and high u16 of its size or page, flags u16, size of
 * the key u16, the key, in leaves the value. (LMDB 0.9, mdb.c: MDB_page, MDB_node.)
 */

enum {
    NODE_BYTES = 8,
    NODE_OVERFLOW = 1, /* the value is the number u64 of its first overflow page */
    MOST_DEPTH = 32,   /* that a cursor of LMDB has room for */
};
static const uint64_t NO_PAGE = UINT64_MAX;

typedef struct node {
    uint64_t child; /* of a branch */
    uint16_t flags; /* of a leaf */
    size_t size;    /* of a leaf's value */
    base_span key;
    const unsigned char *value;
    size_t value_room; /* bytes up to the end of the page */
} node;

static const unsigned char *page_at(const base_pages *pages, uint64_t number)
{
    return pages->map + number * pages->page_bytes;
}

static normd_status bad_page(
    const base_pages *pages, uint64_t number, const char *what, normd_error *error)
{
    return normd_base_damaged(
        pages->path, error, "page %llu: %s", (unsigned long long)number, what);
}

static size_t nodes_of(const unsigned char *page)
{
    return ((size_t)normd_bytes_u16(page + 12) - BASE_PAGE_HEADER_BYTES) / 2;
}

/* The header of a branch or leaf that lies in the file. */
static normd_status check_header(
    const base_pages *pages, uint64_t number, bool leaf, normd_error *error)
{
    const unsigned char *page = page_at(pages, number);
    if (normd_bytes_u64(page) != number) {
        return bad_page(pages, number, "it has another page's number", error);
    }
    if (normd_bytes_u16(page + 10) != (leaf ? BASE_PAGE_LEAF : BASE_PAGE_BRANCH)) {
        return bad_page(pages, number, leaf ? "not a leaf" : "not a branch", error);
    }
    size_t lower = normd_bytes_u16(page + 12), upper = normd_bytes_u16(page + 14);
    if (lower <= BASE_PAGE_HEADER_BYTES || lower % 2 != 0 || lower > upper ||
        upper > pages->page_bytes) {
        return bad_page(pages, number, "wrong bounds of its free room", error);
    }
    return NORMD_OK;
}

/* Node `index` of a page whose header is right. */
static normd_status read_node(const base_pages *pages, uint64_t number, size_t index, bool leaf,
    node *read, normd_error *error)
{
    const unsigned char *page = page_at(pages, number);
    size_t offset = normd_bytes_u16(page + BASE_PAGE_HEADER_BYTES + 2 * index);
    if (offset < normd_bytes_u16(page + 14) || offset % 2 != 0 ||
        offset + NODE_BYTES > pages->page_bytes) {
        return bad_page(pages, number, "a node out of its bounds", error);
    }
    const unsigned char *at = page + offset;
    size_t key = normd_bytes_u16(at + 6);
    size_t room = pages->page_bytes - offset - NODE_BYTES;
    if (key > room) {
        return bad_page(pages, number, "a key out of its bounds", error);
    }
    *read = (node){
        .key = {at + NODE_BYTES, key}, .value = at + NODE_BYTES + key, .value_room = room - key};
    if (!leaf) {
        read->child = normd_bytes_u32(at) | (uint64_t)normd_bytes_u16(at + 4) << 32;
        return NORMD_OK;
    }
    read->size = normd_bytes_u32(at);
    read->flags = normd_bytes_u16(at + 4);
    if (read->flags > NODE_OVERFLOW) {
        return bad_page(pages, number, "a node of an unknown kind", error);
    }
    if ((read->flags == NODE_OVERFLOW ? sizeof(uint64_t) : read->size) > read->value_room) {
        return bad_page(pages, number, "a value out of its bounds", error);
    }
    return NORMD_OK;
}

/* The value's overflow pages; its bytes. */
static normd_status read_overflow(base_pages *pages, const node *leaf, bool take, uint64_t *count,
    base_span *value, normd_error *error)
{
    uint64_t number = normd_bytes_u64(leaf->value);
    if (number >= pages->pages) {
        return bad_page(pages, number, "a row lies there, out of the file", error);
    }
    const unsigned char *page = page_at(pages, number);
    *count = normd_bytes_u32(page + 12);
    uint64_t needed =
        (leaf->size + BASE_PAGE_HEADER_BYTES + pages->page_bytes - 1) / pages->page_bytes;
    if (normd_bytes_u64(page) != number || normd_bytes_u16(page + 10) != BASE_PAGE_OVERFLOW ||
        *count < needed || *count > pages->pages - number) {
        return bad_page(pages, number, "not the begin of a long row", error);
    }
    *value = (base_span){page + BASE_PAGE_HEADER_BYTES, leaf->size};
    return take ? normd_base_pages_take(pages, number, *count, true, error) : NORMD_OK;
}

static normd_status walk_entry(base_tree_walk *walk, const node *leaf)
{
    base_span value = {leaf->value, leaf->size};
    if (leaf->flags == NODE_OVERFLOW) {
        uint64_t count = 0;
        normd_status status = read_overflow(walk->pages, leaf, true, &count, &value, walk->error);
        if (status != NORMD_OK) {
            return status;
        }
        walk->found.overflows += count;
    }
    walk->found.entries++;
    return walk->entry == NULL ? NORMD_OK
                               : walk->entry(walk->context, leaf->key, value, walk->error);
}

/* Keys lie from `low` to below `high`, in order; NULL data: no such bound. A branch's first key
   means nothing. */
static normd_status check_order(base_tree_walk *walk, uint64_t number, base_span key, base_span low,
    bool low_itself, base_span high)
{
    int above = low.data == NULL ? 1 : walk->compare(key, low);
    bool right = (above > 0 || (above == 0 && low_itself)) &&
                 (high.data == NULL || walk->compare(key, high) < 0);
    return right ? NORMD_OK
                 : bad_page(walk->pages, number, "its keys are out of order", walk->error);
}

static normd_status walk_page(
    base_tree_walk *walk, uint64_t number, unsigned depth, base_span low, base_span high);

static normd_status walk_leaf(
    base_tree_walk *walk, uint64_t number, size_t nodes, base_span low, base_span high)
{
    normd_status status = NORMD_OK;
    walk->found.leaves++;
    for (size_t i = 0; i < nodes && status == NORMD_OK; i++) {
        node leaf = {0};
        status = read_node(walk->pages, number, i, true, &leaf, walk->error);
        if (status == NORMD_OK) {
            status = check_order(walk, number, leaf.key, low, i == 0, high);
        }
        if (status == NORMD_OK) {
            status = walk_entry(walk, &leaf);
        }
        low = leaf.key;
    }
    return status;
}

static normd_status walk_branch(base_tree_walk *walk, uint64_t number, size_t nodes, unsigned depth,
    base_span low, base_span high)
{
    normd_status status = NORMD_OK;
    node child = {0}, next = {0};
    walk->found.branches++;
    status = read_node(walk->pages, number, 0, false, &child, walk->error);
    for (size_t i = 0; i < nodes && status == NORMD_OK; i++) {
        base_span end = high;
        if (i + 1 < nodes) {
            status = read_node(walk->pages, number, i + 1, false, &next, walk->error);
            if (status == NORMD_OK) {
                status = check_order(walk, number, next.key, low, false, high);
            }
            end = next.key;
        }
        if (status == NORMD_OK) {
            status = walk_page(walk, child.child, depth - 1, low, end);
        }
        low = end;
        child = next;
    }
    return status;
}

static normd_status walk_page(
    base_tree_walk *walk, uint64_t number, unsigned depth, base_span low, base_span high)
{
    bool leaf = depth == 1;
    normd_status status = normd_base_pages_take(walk->pages, number, 1, true, walk->error);
    if (status == NORMD_OK) {
        status = check_header(walk->pages, number, leaf, walk->error);
    }
    if (status != NORMD_OK) {
        return status;
    }
    size_t nodes = nodes_of(page_at(walk->pages, number));
    return leaf ? walk_leaf(walk, number, nodes, low, high)
                : walk_branch(walk, number, nodes, depth, low, high);
}

normd_status normd_base_tree_walk(base_tree_walk *walk, const base_tree *tree)
{
    const base_tree *found = &walk->found;
    normd_status status = NORMD_OK;
    if (tree->depth > MOST_DEPTH || (tree->depth == 0) != (tree->root == NO_PAGE)) {
        return normd_base_damaged(
            walk->pages->path, walk->error, "the tree of %s has a wrong depth", walk->name);
    }
    if (tree->depth > 0) {
        base_span none = {NULL, 0};
        status = walk_page(walk, tree->root, tree->depth, none, none);
    }
    if (status == NORMD_OK &&
        (found->branches != tree->branches || found->leaves != tree->leaves ||
            found->overflows != tree->overflows || found->entries != tree->entries)) {
        return normd_base_damaged(walk->pages->path, walk->error,
            "the tree of %s: %llu entries expected, %llu found", walk->name,
            (unsigned long long)tree->entries, (unsigned long long)found->entries);
    }
    return status;
}

normd_status normd_base_tree_first(
    base_pages *pages, const base_tree *tree, base_span *key, base_span *value, normd_error *error)
{
    uint64_t number = tree->root;
    value->data = NULL;
    for (unsigned depth = tree->depth <= MOST_DEPTH ? tree->depth : 0; depth > 0; depth--) {
        if (number < 2 || number >= pages->pages) {
            return bad_page(pages, number, "a tree goes there, out of the file", error);
        }
        node first = {0};
        normd_status status = check_header(pages, number, depth == 1, error);
        if (status == NORMD_OK) {
            status = read_node(pages, number, 0, depth == 1, &first, error);
        }
        if (status != NORMD_OK) {
            return status;
        }
        number = first.child;
        if (depth == 1 && first.flags != NODE_OVERFLOW) {
            *key = first.key;
            *value = (base_span){first.value, first.size};
        }
    }
    return NORMD_OK;
}
