// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>

#include "daemon/transport_stream.h"

enum { KEEPALIVE_SECONDS = 60 };

static void describe_peer(normd_stream_transport *stream)
{
    struct sockaddr_storage address;
    int length = (int)sizeof address;
    char host[NORMD_PEER_BYTES - 16] = "?";
    unsigned port = 0;
    if (uv_tcp_getpeername(&stream->as.tcp, (struct sockaddr *)&address, &length) == 0) {
        if (address.ss_family == AF_INET6) {
            const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address;
            uv_ip6_name(v6, host, sizeof host);
            port = ntohs(v6->sin6_port);
        } else {
            const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address;
            uv_ip4_name(v4, host, sizeof host);
            port = ntohs(v4->sin_port);
        }
    }
    snprintf(stream->transport.peer, sizeof stream->transport.peer, "%s port %u", host, port);
}

normd_transport *normd_transport_tcp_accept(uv_stream_t *listener)
{
    normd_stream_transport *stream = calloc(1, sizeof *stream);
    if (stream == NULL || uv_tcp_init(listener->loop, &stream->as.tcp) != 0) {
        free(stream);
        return NULL;
    }
    normd_transport *transport = normd_stream_accept(stream, listener);
    if (transport != NULL) {
        /* Answers leave whole; waiting for more to send would only delay them. */
        uv_tcp_nodelay(&stream->as.tcp, 1);
        uv_tcp_keepalive(&stream->as.tcp, 1, KEEPALIVE_SECONDS);
        describe_peer(stream);
    }
    return transport;
}
