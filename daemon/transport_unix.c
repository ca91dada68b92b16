// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>

#include "daemon/transport_stream.h"

normd_transport *normd_transport_unix_accept(uv_stream_t *listener)
{
    normd_stream_transport *stream = calloc(1, sizeof *stream);
    if (stream == NULL || uv_pipe_init(listener->loop, &stream->as.pipe, 0) != 0) {
        free(stream);
        return NULL;
    }
    normd_transport *transport = normd_stream_accept(stream, listener);
    if (transport != NULL) {
        snprintf(transport->peer, sizeof transport->peer, "the Unix socket");
    }
    return transport;
}
