// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_EXCHANGE_NAMED_ARRAY_H
#define NORMD_EXCHANGE_NAMED_ARRAY_H

#include "lib/base/array.h"

/* An array as it stands in a file. */
typedef struct normd_named_array {
    const char *name;
    normd_array array;
} normd_named_array;

#endif
