// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lib/session/fixture.h"

#include <math.h>

static void what_is_negative_becomes_zero_and_nan_stays(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, 2, NULL);
    normd_session *session = fixture_session(&f, "{'layers': [{'type': 'relu'}]}");
    enum { COUNT = 70001 }; /* several tiles, and a part of one */
    normd_tensor x = fixture_normal(&f, NORMD_F32, (normd_shape){2, {1, COUNT}}, 1);
    fixture_put(&x.array, 0, NAN);
    fixture_put(&x.array, COUNT - 1, -INFINITY);
    fixture_put(&x.array, COUNT - 2, INFINITY);
    normd_tensor y = fixture_infer(&f, session, &x.array);
    assert_true(isnan(fixture_at(&y.array, 0)));
    for (size_t i = 1; i < COUNT; i++) {
        double value = fixture_at(&x.array, i);
        assert_true(fixture_at(&y.array, i) == (value > 0 ? value : 0));
    }
    normd_tensor_release(&x);
    normd_tensor_release(&y);
    normd_session_destroy(session);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_negative_becomes_zero_and_nan_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
