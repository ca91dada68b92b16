// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cmocka_headers.h"

#include <string.h>
#include <sys/mman.h>

#include "daemon/store/crc32c.h"

/* RFC 3720, appendix B.4; the last one is the check value of CRC catalogues. */
static void known_sums_come_out(void **state)
{
    (void)state;
    unsigned char bytes[32];
    memset(bytes, 0, sizeof bytes);
    assert_int_equal(normd_crc32c(0, bytes, sizeof bytes), 0x8a9136aa);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(normd_crc32c(0, bytes, sizeof bytes), 0x62a8ab43);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (unsigned char)i;
    }
    assert_int_equal(normd_crc32c(0, bytes, sizeof bytes), 0x46dd794e);
    assert_int_equal(normd_crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(normd_crc32c(0, NULL, 0), 0);
}

static void pieces_sum_up_to_the_whole(void **state)
{
    (void)state;
    unsigned char bytes[300];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (unsigned char)(i * 7 + i / 3);
    }
    uint32_t whole = normd_crc32c(0, bytes, sizeof bytes);
    for (size_t cut = 0; cut <= sizeof bytes; cut++) {
        uint32_t first = normd_crc32c(0, bytes, cut);
        assert_int_equal(normd_crc32c(first, bytes + cut, sizeof bytes - cut), whole);
    }
}

static void more_than_two_gibibytes_are_summed(void **state)
{
    (void)state;
    size_t size = ((size_t)1 << 31) + 12345;
    unsigned char *bytes = mmap(
        NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(bytes != MAP_FAILED);
    bytes[size - 1] = 1;
    uint32_t pieces = 0;
    size_t step = 700000001;
    for (size_t at = 0; at < size; at += step) {
        pieces = normd_crc32c(pieces, bytes + at, size - at < step ? size - at : step);
    }
    assert_int_equal(normd_crc32c(0, bytes, size), pieces);
    munmap(bytes, size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_sums_come_out),
        cmocka_unit_test(pieces_sum_up_to_the_whole),
        cmocka_unit_test(more_than_two_gibibytes_are_summed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
