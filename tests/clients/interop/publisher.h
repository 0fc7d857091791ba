/* What publisher.c needs of a ZeroMQ library in C. libzmq.c and czmq.c provide it. */

#include <stddef.h>

typedef struct {
    size_t size;
    const void *data;
} Part;

/* The name of the library in the payloads. It has no characters that a URL escapes. */
extern const char *const library;

/* Connects a socket of a type such as ZMQ_PUSH. Sending, receiving and lingering end after 10 s. */
void *open_socket(int type, const char *endpoint);

/* Waits until the messages are sent. */
void close_socket(void *socket);

/* Returns 0, or -1 if the message was not sent. */
int send_parts(void *socket, const Part *parts, int count);

/* Returns the number of received parts, or -1. The parts are valid until the next call. */
int receive_parts(void *socket, Part *parts, int most);
