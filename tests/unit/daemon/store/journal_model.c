// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/daemon/store/journal_fixture.h"

/*
 * Random work on a journal beside a list of what must be in it: groups, seals, checkpoints, faults,
 * crashes, and starts in any mode.
 */
enum { SEEDS = 12, STEPS = 150, MOST_RECORDS = 8, MOST_BYTES = 5000 };

typedef struct journal_model {
    journal_fixture *fixture;
    uint64_t random;
    /* Records from the segment `first` on, each as the seed of its bytes. */
    uint32_t seed[FIXTURE_RECORDS];
    size_t count;
    bool sealed;    /* since it was opened */
    size_t at_seal; /* of these, those before the newest seal */
} journal_model;

/* xorshift64* (Vigna 2016). */
static uint32_t draw(journal_model *model, uint32_t below)
{
    model->random ^= model->random >> 12;
    model->random ^= model->random << 25;
    model->random ^= model->random >> 27;
    return (uint32_t)((model->random * 0x2545f4914f6cdd1d) >> 33) % below;
}

static size_t fill(uint32_t seed, unsigned char *bytes)
{
    size_t size = 1 + seed % MOST_BYTES;
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (unsigned char)(seed >> i % 24 ^ i);
    }
    return size;
}

static void assert_as_modelled(const journal_model *model)
{
    const journal_fixture *fixture = model->fixture;
    unsigned char bytes[MOST_BYTES];
    assert_int_equal(fixture->records, model->count);
    for (size_t i = 0; i < model->count; i++) {
        size_t size = fill(model->seed[i], bytes);
        assert_int_equal(fixture->record[i].size, size);
        assert_memory_equal(fixture->record[i].data, bytes, size);
    }
}

/* What a failed truncation leaves is cut off by the next segment; a crash before that may leave
   records of a group that failed, which is no loss, but not modelled. */
static void end_what_cannot_be_taken_back(journal_model *model)
{
    if (normd_fault.truncate != 0) {
        const normd_store_record none = {.piece = NULL, .pieces = 0};
        normd_faults_clear();
        assert_int_equal(
            normd_journal_append(model->fixture->journal, &none, 0, &model->fixture->error),
            NORMD_OK);
    }
}

static void append_group(journal_model *model)
{
    static unsigned char bytes[MOST_RECORDS][MOST_BYTES];
    normd_store_bytes piece[MOST_RECORDS][3];
    normd_store_record record[MOST_RECORDS];
    size_t records = 1 + draw(model, MOST_RECORDS);
    if (model->count + records > FIXTURE_RECORDS) {
        return;
    }
    for (size_t i = 0; i < records; i++) {
        uint32_t seed = draw(model, 1u << 31);
        model->seed[model->count + i] = seed;
        size_t size = fill(seed, bytes[i]);
        size_t a = draw(model, (uint32_t)size + 1), b = a + draw(model, (uint32_t)(size - a) + 1);
        piece[i][0] = (normd_store_bytes){.data = bytes[i], .size = a};
        piece[i][1] = (normd_store_bytes){.data = bytes[i] + a, .size = b - a};
        piece[i][2] = (normd_store_bytes){.data = bytes[i] + b, .size = size - b};
        record[i] = (normd_store_record){.piece = piece[i], .pieces = 3};
    }
    journal_fixture *fixture = model->fixture;
    if (normd_journal_append(fixture->journal, record, records, &fixture->error) == NORMD_OK) {
        model->count += records;
    } else {
        assert_int_equal(fixture->error.status, NORMD_STORE_FAILED);
        end_what_cannot_be_taken_back(model);
    }
}

static void set_fault(journal_model *model)
{
    normd_faults_clear();
    switch (draw(model, 4)) {
    case 0:
        normd_fault.sync = EIO;
        break;
    case 1:
        normd_fault.truncate = EIO;
        normd_fault.write = ENOSPC;
        normd_fault.write_room = draw(model, 20000);
        break;
    case 2:
        normd_fault.write = ENOSPC;
        normd_fault.write_room = draw(model, 20000);
        break;
    default:
        normd_fault.write_piece = 1 + draw(model, 3000);
        break;
    }
}

static void start_again(journal_model *model)
{
    journal_fixture *fixture = model->fixture;
    normd_faults_clear();
    if (draw(model, 3) == 0) {
        journal_fixture_close(fixture);
    } else {
        journal_fixture_crash(fixture);
    }
    fixture->sync = (normd_store_sync)draw(model, 3);
    if (journal_fixture_open(fixture) != NORMD_OK) {
        fail_msg("%s", fixture->error.message);
    }
    assert_as_modelled(model);
    model->sealed = false;
}

/* The checkpoint of the newest seal: what lies before it is not read any more. */
static void remove_sealed(journal_model *model, uint64_t segment)
{
    if (!model->sealed) {
        return;
    }
    model->fixture->first = segment;
    normd_journal_remove(model->fixture->journal, segment);
    model->count -= model->at_seal;
    memmove(model->seed, model->seed + model->at_seal, model->count * sizeof *model->seed);
    model->sealed = false;
}

static void work(journal_model *model)
{
    journal_fixture *fixture = model->fixture;
    uint64_t segment = 0;
    for (int step = 0; step < STEPS; step++) {
        uint32_t what = draw(model, 20);
        if (what < 11) {
            append_group(model);
        } else if (what < 13) {
            normd_journal_tick(fixture->journal);
        } else if (what < 15) {
            set_fault(model);
        } else if (what < 17) {
            if (normd_journal_seal(fixture->journal, &segment, &fixture->error) == NORMD_OK) {
                model->sealed = true;
                model->at_seal = model->count;
            }
        } else if (what == 17) {
            remove_sealed(model, segment);
        } else {
            start_again(model);
        }
    }
    start_again(model);
}

static void whatever_is_done_all_that_was_acknowledged_comes_back(void **state)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        journal_fixture_set_up(state);
        static journal_model model;
        model.fixture = *state;
        model.random = seed * 0x9e3779b97f4a7c15;
        model.count = 0;
        model.sealed = false;
        assert_int_equal(journal_fixture_open(model.fixture), NORMD_OK);
        work(&model);
        journal_fixture_tear_down(state);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_is_done_all_that_was_acknowledged_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
