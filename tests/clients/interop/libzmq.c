/* libzmq behind publisher.h. */

#include "publisher.h"

#include <string.h>
#include <zmq.h>

const char *const library = "libzmq";

static void *context;

void *open_socket(int type, const char *endpoint)
{
    const int timeout_ms = 10000;
    if (!context)
        context = zmq_ctx_new();
    void *socket = zmq_socket(context, type);
    zmq_setsockopt(socket, ZMQ_SNDTIMEO, &timeout_ms, sizeof timeout_ms);
    zmq_setsockopt(socket, ZMQ_RCVTIMEO, &timeout_ms, sizeof timeout_ms);
    zmq_setsockopt(socket, ZMQ_LINGER, &timeout_ms, sizeof timeout_ms);
    zmq_connect(socket, endpoint);
    return socket;
}

void close_socket(void *socket)
{
    zmq_close(socket);
}

int send_parts(void *socket, const Part *parts, int count)
{
    for (int index = 0; index < count; index++) {
        int more = index + 1 < count ? ZMQ_SNDMORE : 0;
        if (zmq_send(socket, parts[index].data, parts[index].size, more) < 0)
            return -1;
    }
    return 0;
}

int receive_parts(void *socket, Part *parts, int most)
{
    static char store[4096];
    size_t used = 0;
    int count = 0, more = 1;
    while (more) {
        zmq_msg_t frame;
        zmq_msg_init(&frame);
        if (count == most || zmq_msg_recv(&frame, socket, 0) < 0 ||
            zmq_msg_size(&frame) > sizeof store - used) {
            zmq_msg_close(&frame);
            return -1;
        }
        parts[count] = (Part){zmq_msg_size(&frame), store + used};
        memcpy(store + used, zmq_msg_data(&frame), parts[count].size);
        used += parts[count++].size;
        more = zmq_msg_more(&frame);
        zmq_msg_close(&frame);
    }
    return count;
}
