// SPDX-License-Identifier: Apache-2.0
#include "tests/faults/preload/inject.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "tests/faults/preload/state.h"

// Well-mixed bits of a number (the finalizer of splitmix64, Steele and others, OOPSLA 2014).
static uint64_t mix(uint64_t bits)
{
    bits += 0x9e3779b97f4a7c15u;
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9u;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebu;
    return bits ^ (bits >> 31);
}

// Whether a rule's turn has come; counts the call.
static bool hits(struct faults_rule *rule)
{
    uint64_t number = rule->seen++;
    if (rule->skip > 0) {
        rule->skip--;
        return false;
    }
    if (rule->count == 0 || (mix(rule->seed ^ mix(number)) >> 32) >= rule->chance) {
        return false;
    }
    if (rule->count != UINT64_MAX) {
        rule->count--;
    }
    return true;
}

// A disk with little room: what fits is written, what comes then is refused.
static bool fill(
    struct faults_rule *rule, struct faults_verdict *verdict, size_t size, size_t growth)
{
    if (growth <= rule->room) {
        rule->room -= growth;
        return false;
    }
    size_t missing = growth - (size_t)rule->room;
    size_t fits = missing < size ? size - missing : 0;
    rule->room = 0;
    if (fits == 0) {
        verdict->error = ENOSPC;
    } else if (fits < verdict->limit) {
        verdict->limit = fits;
    }
    return true;
}

static void apply(
    struct faults_rule *rule, struct faults_verdict *verdict, size_t size, size_t growth)
{
    bool hit = true;
    switch (rule->action) {
    case FAULTS_FAIL:
        verdict->error = rule->error;
        break;
    case FAULTS_SHORT:
        hit = size > 1;
        if (hit && size / 2 < verdict->limit) {
            verdict->limit = size / 2;
        }
        break;
    case FAULTS_DELAY:
        verdict->delay += rule->delay;
        break;
    case FAULTS_FULL:
        hit = growth > 0 && fill(rule, verdict, size, growth);
        break;
    default:
        hit = false;
    }
    rule->hits += hit ? 1 : 0;
}

struct faults_verdict faults_judge(enum faults_op op, const char *path, size_t size, size_t growth)
{
    struct faults_verdict verdict = {.limit = size};
    for (int i = 0; faults.control != NULL && i < FAULTS_RULES; i++) {
        struct faults_rule *rule = &faults.control->rules[i];
        bool about = rule->active != 0 && (rule->ops & (uint32_t)op) != 0 &&
                     (rule->match[0] == '\0' || strstr(path, rule->match) != NULL);
        if (about && hits(rule)) {
            apply(rule, &verdict, size, growth);
        }
    }
    if (verdict.delay > 0) {
        faults_unlock();
        usleep((useconds_t)verdict.delay);
        faults_lock();
    }
    return verdict;
}
