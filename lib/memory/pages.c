// SPDX-License-Identifier: Apache-2.0
#include "lib/memory/pages.h"

#include <stdint.h>
#include <sys/mman.h>

static void unmap(char *begin, const char *end)
{
    if (begin < end) {
        (void)munmap(begin, (size_t)(end - begin));
    }
}

void *normd_pages_take(size_t size)
{
    /* A mapping begins at any page, so take one huge page too many and cut both ends. */
    size_t room;
    if (size == 0 || __builtin_add_overflow(size, (size_t)NORMD_HUGE_PAGE, &room)) {
        return NULL;
    }
    char *map = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) {
        return NULL;
    }
    char *pages = map + (NORMD_HUGE_PAGE - (uintptr_t)map % NORMD_HUGE_PAGE) % NORMD_HUGE_PAGE;
    unmap(map, pages);
    unmap(pages + size, map + room);
    /* Where this fails there are no huge pages, and small ones do. */
    (void)madvise(pages, size, MADV_HUGEPAGE);
    return pages;
}

void normd_pages_give(void *pages, size_t size)
{
    (void)munmap(pages, size);
}
