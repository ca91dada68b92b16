// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_TESTS_UNIT_LIB_SESSION_MUTATIONS_H
#define NORMD_TESTS_UNIT_LIB_SESSION_MUTATIONS_H

#include "tests/unit/lib/session/fixture.h"

#include "lib/session/image.h"

/* Sessions of many configurations, and mutations of every kind that follow from their number. */

/* Classifiers of 6 inputs and 4 classes, and what a message says of each. */
typedef struct mutations_subject {
    const char *name;
    const char *configuration;
} mutations_subject;

extern const mutations_subject mutations_subjects[];
extern const size_t mutations_subject_count;

/* Makes the mutation of that number; gives a hash of all that it answered, errors too. */
uint64_t mutations_make(const fixture *f, normd_session *session, uint64_t number);
/* Those from `first` on, `count` of them; a hash of all answers. */
uint64_t mutations_run(const fixture *f, normd_session *session, uint64_t first, uint64_t count);

/* A source over an image's parts, which stay the image's; the description is the caller's to free.
 */
normd_image_source mutations_source(const normd_image *image);
normd_session *mutations_restored(const fixture *f, const normd_image *image);
/* Whether all parts, numbers and descriptions are the same bits. */
bool mutations_same_image(const normd_image *a, const normd_image *b);
/* The same of the sessions' images. */
bool mutations_same(normd_session *a, normd_session *b);

#endif
