// SPDX-License-Identifier: Apache-2.0
#include "daemon/transport_stream.h"

#include <stdlib.h>

static normd_stream_transport *of_transport(const normd_transport *transport)
{
    /* The transport is the first member. */
    return (normd_stream_transport *)(uintptr_t)transport;
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)suggested;
    normd_stream_transport *stream = handle->data;
    void *data = NULL;
    size_t size = 0;
    stream->transport.events->room(stream->transport.context, &data, &size);
    *buffer = (uv_buf_t){.base = data, .len = size};
}

static void on_read(uv_stream_t *handle, ssize_t size, const uv_buf_t *buffer)
{
    (void)buffer;
    normd_stream_transport *stream = handle->data;
    /* 0 says that a read would have blocked. */
    if (size != 0) {
        stream->transport.events->arrived(stream->transport.context, size);
    }
}

static void on_written(uv_write_t *write, int status)
{
    normd_stream_transport *stream = write->data;
    stream->transport.events->written(stream->transport.context, status);
}

static void on_closed(uv_handle_t *handle)
{
    normd_stream_transport *stream = handle->data;
    const normd_transport_events *events = stream->transport.events;
    void *context = stream->transport.context;
    free(stream);
    if (events != NULL) {
        events->closed(context);
    }
}

static int stream_start_reading(normd_transport *transport)
{
    return uv_read_start(&of_transport(transport)->as.stream, on_room, on_read);
}

static void stream_stop_reading(normd_transport *transport)
{
    uv_read_stop(&of_transport(transport)->as.stream);
}

static ssize_t stream_try_write(normd_transport *transport, const uv_buf_t *buffers, unsigned count)
{
    int result = uv_try_write(&of_transport(transport)->as.stream, buffers, count);
    return result == UV_EAGAIN ? 0 : result;
}

static int stream_write(normd_transport *transport, const uv_buf_t *buffers, unsigned count)
{
    normd_stream_transport *stream = of_transport(transport);
    stream->write.data = stream;
    return uv_write(&stream->write, &stream->as.stream, buffers, count, on_written);
}

static size_t stream_write_queue_size(const normd_transport *transport)
{
    return uv_stream_get_write_queue_size(&of_transport(transport)->as.stream);
}

static void on_shutdown(uv_shutdown_t *shutdown, int status)
{
    (void)shutdown;
    (void)status;
}

static void stream_finish(normd_transport *transport)
{
    normd_stream_transport *stream = of_transport(transport);
    uv_shutdown(&stream->shutdown, &stream->as.stream, on_shutdown);
}

static void stream_close(normd_transport *transport)
{
    uv_close(&of_transport(transport)->as.handle, on_closed);
}

const normd_transport_operations normd_stream_operations = {
    .start_reading = stream_start_reading,
    .stop_reading = stream_stop_reading,
    .try_write = stream_try_write,
    .write = stream_write,
    .write_queue_size = stream_write_queue_size,
    .finish = stream_finish,
    .close = stream_close,
};

normd_transport *normd_stream_accept(normd_stream_transport *stream, uv_stream_t *listener)
{
    stream->transport.operations = &normd_stream_operations;
    stream->as.handle.data = stream;
    if (uv_accept(listener, &stream->as.stream) != 0) {
        uv_close(&stream->as.handle, on_closed);
        return NULL;
    }
    return &stream->transport;
}
