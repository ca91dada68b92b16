// SPDX-License-Identifier: Apache-2.0
/* The scanner against msgpack-c and against itself: where a message ends depends neither on how the
   stream is cut nor on where payloads begin, and is where msgpack-c ends it. */
#include <msgpack.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/protocol/support/scan.h"

/* The first bytes of an input choose the limits. */
enum { CHOICES = 4 };

static normd_limits limits_chosen(const uint8_t choice[CHOICES])
{
    normd_limits limits = scan_no_limits();
    limits.elements = 1 + ((uint32_t)choice[0] << 4);
    limits.depth = choice[1] % (NORMD_MAX_DEPTH + 1);
    limits.head_bytes = choice[2] > 200 ? UINT64_MAX : choice[2];
    limits.message_bytes = choice[3] > 200 ? UINT64_MAX : (uint64_t)choice[3] << 2;
    limits.payload_bytes = choice[3] % 2 == 0 ? UINT32_MAX : choice[3] / 2;
    return limits;
}

static void require_same(const scan_result *a, const scan_result *b)
{
    FUZZ_REQUIRE(a->event == b->event);
    FUZZ_REQUIRE(a->end == b->end);
    FUZZ_REQUIRE(a->excess == b->excess);
    FUZZ_REQUIRE(a->elements == b->elements);
    FUZZ_REQUIRE(a->payloads == b->payloads);
    FUZZ_REQUIRE(a->payloads_bytes == b->payloads_bytes);
}

static void compare_with_msgpack(const scan_result *result, const uint8_t *bytes, size_t size)
{
    bool bad = result->event == NORMD_FRAME_BAD;
    if (result->excess != NORMD_FRAME_WITHIN || (bad && bytes[result->end - 1] != 0xc1)) {
        return; /* msgpack-c sets memory aside for what a header claims, and takes ext */
    }
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    size_t end = 0;
    msgpack_unpack_return got = msgpack_unpack_next(&unpacked, (const char *)bytes, size, &end);
    msgpack_unpacked_destroy(&unpacked);
    if (result->event == NORMD_FRAME_DONE) {
        FUZZ_REQUIRE(got == MSGPACK_UNPACK_SUCCESS);
        FUZZ_REQUIRE(end == result->end);
    } else {
        FUZZ_REQUIRE(got == (bad ? MSGPACK_UNPACK_PARSE_ERROR : MSGPACK_UNPACK_CONTINUE));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size <= CHOICES) {
        return 0;
    }
    normd_limits limits = limits_chosen(data);
    const uint8_t *bytes = data + CHOICES;
    size -= CHOICES;
    test_random random = {size};
    scan_result whole = scan_stream(bytes, size, &limits, SCAN_WHOLE, &random);
    for (int cuts = SCAN_BYTES; cuts < SCAN_CUTS; cuts++) {
        scan_result cut = scan_stream(bytes, size, &limits, (scan_cuts)cuts, &random);
        require_same(&whole, &cut);
    }
    size_t end;
    uint64_t elements;
    normd_frame_event event = scan_reference(bytes, size, &end, &elements);
    FUZZ_REQUIRE(event == whole.event);
    FUZZ_REQUIRE(end == whole.end);
    compare_with_msgpack(&whole, bytes, size);
    return 0;
}
