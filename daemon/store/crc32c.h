// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_STORE_CRC32C_H
#define NORMD_DAEMON_STORE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* CRC32C (Castagnoli; RFC 3720, appendix B.4) of `size` bytes behind those whose CRC32C is `crc`;
   0 to begin with, so that the pieces of something can be summed one after another. Any thread. */
uint32_t normd_crc32c(uint32_t crc, const void *data, size_t size);

#endif
