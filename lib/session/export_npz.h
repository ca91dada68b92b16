// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_SESSION_EXPORT_NPZ_H
#define NORMD_SESSION_EXPORT_NPZ_H

#include "lib/session/session_state.h"

/* The snapshot as an .npz in the order, names and layouts of lib/session/keras_order.h. */
normd_status normd_snapshot_export_npz(
    const normd_snapshot *snapshot, bool optimizer, normd_buffer **file, normd_error *error);

#endif
