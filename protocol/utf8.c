// SPDX-License-Identifier: Apache-2.0
#include "protocol/utf8.h"

#include <stdint.h>

size_t normd_utf8_next(const char *text, size_t size)
{
    if (size == 0) {
        return 0;
    }
    uint8_t lead = (uint8_t)text[0];
    if (lead < 0x80) {
        return 1;
    }
    size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || size < length) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        if (((uint8_t)text[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    uint8_t second = (uint8_t)text[1];
    bool overlong = (lead == 0xe0 && second < 0xa0) || (lead == 0xf0 && second < 0x90);
    bool surrogate = lead == 0xed && second >= 0xa0;
    bool beyond = lead == 0xf4 && second >= 0x90;
    return overlong || surrogate || beyond ? 0 : length;
}

bool normd_utf8_is_plain(const char *text, size_t size)
{
    size_t length;
    for (size_t at = 0; at < size; at += length) {
        length = normd_utf8_next(text + at, size - at);
        uint8_t lead = (uint8_t)text[at];
        bool c0 = length == 1 && (lead < 0x20 || lead == 0x7f);
        bool c1 = length == 2 && lead == 0xc2 && (uint8_t)text[at + 1] < 0xa0;
        if (length == 0 || c0 || c1) {
            return false;
        }
    }
    return true;
}
