/* CZMQ behind publisher.h. */

#include "publisher.h"

#include <czmq.h>

const char *const library = "czmq";

static zmsg_t *last;

void *open_socket(int type, const char *endpoint)
{
    const int timeout_ms = 10000;
    zsock_t *socket = zsock_new(type);
    zsock_set_sndtimeo(socket, timeout_ms);
    zsock_set_rcvtimeo(socket, timeout_ms);
    zsock_set_linger(socket, timeout_ms);
    zsock_connect(socket, "%s", endpoint);
    return socket;
}

void close_socket(void *socket)
{
    zsock_t *closed = socket;
    zsock_destroy(&closed);
}

int send_parts(void *socket, const Part *parts, int count)
{
    zmsg_t *message = zmsg_new();
    for (int index = 0; index < count; index++)
        zmsg_addmem(message, parts[index].data, parts[index].size);
    return zmsg_send(&message, socket);
}

int receive_parts(void *socket, Part *parts, int most)
{
    zmsg_destroy(&last);
    last = zmsg_recv(socket);
    if (!last || (int)zmsg_size(last) > most)
        return -1;
    int count = 0;
    for (zframe_t *frame = zmsg_first(last); frame; frame = zmsg_next(last))
        parts[count++] = (Part){zframe_size(frame), zframe_data(frame)};
    return count;
}
