// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_TESTS_UNIT_LIB_SCHEDULES_MAKE_SCHEDULE_H
#define NORMD_TESTS_UNIT_LIB_SCHEDULES_MAKE_SCHEDULE_H

#include <math.h>
#include <stdlib.h>

#include "lib/schedules/schedule.h"

/* A schedule for an optimizer whose rate is 0.5. */
static inline normd_schedule *make_schedule(const char *option, normd_convention convention)
{
    json_t *json = json_loads(option, JSON_DECODE_ANY, NULL);
    assert_non_null(json);
    normd_schedule *schedule;
    normd_error error = {.status = NORMD_OK};
    if (normd_schedule_create(json, convention, 0.5, "schedule", &schedule, &error) != NORMD_OK) {
        fail_msg("%s", error.message);
    }
    json_decref(json);
    return schedule;
}

#endif
