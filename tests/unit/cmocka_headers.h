// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_TESTS_CMOCKA_HEADERS_H
#define NORMD_TESTS_CMOCKA_HEADERS_H

/* cmocka asks for these before itself. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#endif
