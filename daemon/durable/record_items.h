// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_DURABLE_RECORD_ITEMS_H
#define NORMD_DAEMON_DURABLE_RECORD_ITEMS_H

/* The items of a record; the numbers never change. */
typedef enum normd_record_item {
    NORMD_ITEM_HEAD = 1,
    NORMD_ITEM_MADE = 2,
    NORMD_ITEM_ONCE = 3,
    NORMD_ITEM_DESCRIPTION = 4,
    NORMD_ITEM_SIZES = 5,
    NORMD_ITEM_CHUNK = 6,
    NORMD_ITEM_REQUEST = 7,
    NORMD_ITEM_ARRAY = 8, /* of the request before it */
    NORMD_ITEM_RUN = 9,   /* the request is complete */
} normd_record_item;

#endif
