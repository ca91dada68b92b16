// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_STORE_BASE_PAGES_H
#define NORMD_DAEMON_STORE_BASE_PAGES_H

#include <stdint.h>

#include "lib/base/error.h"

/*
 * The pages of an LMDB 0.9 file, looked at without LMDB: it would follow a damaged page number, and
 * write over rows when its list of free pages is damaged. Holds: both first pages are of one file
 * and follow one another, every tree is whole and in order, no page is used twice or both used and
 * free. What rows hold is not looked at; their checksums are.
 */

/* STORE_FAILED: what is damaged, with the page's number. */
normd_status normd_base_pages_check(const char *path, normd_error *error);

#endif
