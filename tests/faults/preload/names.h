// SPDX-License-Identifier: Apache-2.0
// Names in the watched directory.
#ifndef NORMD_TESTS_FAULTS_PRELOAD_NAMES_H
#define NORMD_TESTS_FAULTS_PRELOAD_NAMES_H

// The path below the watched directory that `path`, relative to the descriptor `folder`, names; the
// folder it stands in must be there, it need not be itself. NULL when it is elsewhere. `whole` has
// room for PATH_MAX and holds the answer.
const char *faults_resolve(int folder, const char *path, char *whole);

#endif
