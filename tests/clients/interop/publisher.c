/* Publishes on PUSH, PUB, REQ and DEALER with the library behind publisher.h, on one thread.
 * Arguments: pull, sub, router, control URL. */

#include "publisher.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#define MESSAGES 100
#define MOST_PARTS 8
#define TEXT(text) {sizeof(text) - 1, text}

static const char *pull, *sub, *router;
static char host[64], port[8];
static int failed;
static char fault[512];

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){0, ms * 1000000}, NULL);
}

/* Stores the reason of a failed check and returns -1. */
static int fails(const char *what)
{
    snprintf(fault, sizeof fault, "%s", what);
    return -1;
}

/* ---- the conductor ---- */

static int dial(void)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    if (getaddrinfo(host, port, &hints, &found) != 0)
        return -1;
    int connection = socket(found->ai_family, found->ai_socktype, 0);
    if (connection >= 0 && connect(connection, found->ai_addr, found->ai_addrlen) != 0) {
        close(connection);
        connection = -1;
    }
    freeaddrinfo(found);
    return connection;
}

/* Asks the conductor what arrived from a publisher. Stores the numbers, and -2 for each payload
 * that was altered. Returns how many there are, or -1. */
static int received(const char *name, int count, int *numbers, int most)
{
    static char answer[1 << 16];
    size_t size = 0;
    ssize_t got;
    int connection = dial();
    if (connection < 0)
        return fails("no connection to the conductor");
    dprintf(connection, "POST /received?from=%s+%s&count=%d HTTP/1.0\r\n\r\n", library, name, count);
    while ((got = read(connection, answer + size, sizeof answer - 1 - size)) > 0)
        size += got;
    close(connection);
    answer[size] = '\0';
    char *at = strstr(answer, "\r\n\r\n");
    if (!strstr(answer, " 200 ") || !at || !(at = strchr(at, '[')))
        return fails("no answer of the conductor");
    int found = 0;
    for (at++; found < most && *at && *at != ']'; found++) {
        char *end;
        numbers[found] = strtol(at, &end, 10);
        if (end == at)
            numbers[found] = -2;
        at = end + strcspn(end, ",]");
        at += strspn(at, ", ");
    }
    return found;
}

/* Checks that a client received 0 to MESSAGES-1 in order. The probes of PUB (-1) are ignored. */
static int arrived(const char *name, int count)
{
    int numbers[2048], expected = 0;
    int found = received(name, count, numbers, 2048);
    if (found < 0)
        return -1;
    for (int index = 0; index < found; index++) {
        if (numbers[index] == -1)
            continue;
        if (numbers[index] != expected++) {
            snprintf(fault, sizeof fault, "arrived: %d instead of %d", numbers[index], expected - 1);
            return -1;
        }
    }
    if (expected == MESSAGES)
        return 0;
    snprintf(fault, sizeof fault, "arrived: %d of %d", expected, MESSAGES);
    return -1;
}

/* ---- messages ---- */

/* Returns the payload of scenario.py's function `padded`. */
static const char *padded(const char *name, int n)
{
    static char payload[2048];
    int size = snprintf(payload, sizeof payload, "{\"from\":\"%s %s\",\"n\":%d,\"pad\":\"", library, name, n);
    for (int times = n < 0 ? 0 : n % 100; times > 0; times--)
        size += snprintf(payload + size, sizeof payload - size, "%dé ", n);
    snprintf(payload + size, sizeof payload - size, "\"}");
    return payload;
}

/* Sends a publication after the leading frames of a DEALER. */
static int publish(void *socket, const Part *leading, int count, const char *name, int n)
{
    Part parts[MOST_PARTS];
    const char *payload = padded(name, n);
    for (int index = 0; index < count; index++)
        parts[index] = leading[index];
    parts[count] = (Part)TEXT("from");
    parts[count + 1] = (Part){strlen(payload), payload};
    return send_parts(socket, parts, count + 2) == 0 ? 0 : fails("not sent");
}

/* Receives the leading frames and `ok`. */
static int acknowledged(void *socket, const Part *leading, int count)
{
    Part parts[MOST_PARTS];
    if (receive_parts(socket, parts, MOST_PARTS) != count + 1)
        return fails("reply: wrong number of frames");
    for (int index = 0; index < count; index++)
        if (parts[index].size != leading[index].size ||
            (parts[index].size && memcmp(parts[index].data, leading[index].data, parts[index].size)))
            return fails("reply: a leading frame differs");
    if (parts[count].size != 2 || memcmp(parts[count].data, "ok", 2))
        return fails("reply: not ok");
    return 0;
}

/* ---- checks ---- */

static int push(void)
{
    void *socket = open_socket(ZMQ_PUSH, pull);
    int status = 0;
    for (int n = 0; n < MESSAGES && status == 0; n++)
        status = publish(socket, NULL, 0, "push", n);
    status = status ? status : arrived("push", MESSAGES);
    close_socket(socket);
    return status;
}

/* Sends probes until the subscription has reached the PUB socket, which drops messages before. */
static int pub(void)
{
    void *socket = open_socket(ZMQ_PUB, sub);
    int status = 0, numbers[8];
    for (int sent = 0; status == 0 && received("pub", 0, numbers, 8) == 0; sent++) {
        status = sent < 500 ? publish(socket, NULL, 0, "pub", -1) : fails("no probe arrived");
        pause_ms(20);
    }
    for (int n = 0; n < MESSAGES && status == 0; n++)
        status = publish(socket, NULL, 0, "pub", n);
    status = status ? status : publish(socket, NULL, 0, "pub-end", 0);
    received("pub-end", 1, numbers, 8);
    status = status ? status : arrived("pub", 0);
    close_socket(socket);
    return status;
}

static int req(void)
{
    void *socket = open_socket(ZMQ_REQ, router);
    int status = 0;
    for (int n = 0; n < MESSAGES && status == 0; n++) {
        status = publish(socket, NULL, 0, "req", n);
        status = status ? status : acknowledged(socket, NULL, 0);
    }
    const Part with_meta[] = {TEXT("meta"), TEXT("{}"), TEXT("{\"key\":\"value\"}")};
    status = status || send_parts(socket, with_meta, 3) ? -1 : acknowledged(socket, NULL, 0);
    status = status ? status : arrived("req", MESSAGES);
    close_socket(socket);
    return status;
}

/* Sends what fanfare must refuse, and after each refusal something that it must accept. */
static int refused(void *socket, const char *code, const Part *parts, int count)
{
    const Part valid[] = {TEXT("topic"), TEXT("{}")};
    Part reply[MOST_PARTS];
    if (send_parts(socket, parts, count) != 0)
        return fails("not sent");
    if (receive_parts(socket, reply, MOST_PARTS) != 3 || reply[0].size != 5 ||
        memcmp(reply[0].data, "error", 5) || reply[1].size != strlen(code) ||
        memcmp(reply[1].data, code, reply[1].size) || reply[2].size == 0)
        return fails(code);
    return send_parts(socket, valid, 2) == 0 ? acknowledged(socket, NULL, 0) : fails("not sent");
}

static int refusals(void)
{
    static char letters[2 << 20];
    memset(letters, 'x', sizeof letters);
    letters[0] = letters[sizeof letters - 1] = '"';
    const struct {
        const char *code;
        int count;
        Part parts[4];
    } cases[] = {
        {"topic_empty", 2, {TEXT(""), TEXT("{}")}},
        {"topic_too_long", 2, {{256, letters + 1}, TEXT("{}")}},
        {"topic_control", 2, {TEXT("a\a"), TEXT("{}")}},
        {"topic_not_utf8", 2, {TEXT("\xff\xfe"), TEXT("{}")}},
        {"payload_not_json", 2, {TEXT("topic"), TEXT("{")}},
        {"parts", 1, {TEXT("topic")}},
        {"parts", 4, {TEXT("topic"), TEXT("{}"), TEXT("{}"), TEXT("{}")}},
        {"meta_not_object", 3, {TEXT("topic"), TEXT("{}"), TEXT("[]")}},
        {"payload_too_large", 2, {TEXT("topic"), {sizeof letters, letters}}},
    };
    void *socket = open_socket(ZMQ_REQ, router);
    int status = 0;
    for (size_t index = 0; index < sizeof cases / sizeof *cases && status == 0; index++)
        status = refused(socket, cases[index].code, cases[index].parts, cases[index].count);
    close_socket(socket);
    return status;
}

static int dealer(void)
{
    static char letters[300];
    const Part leading[] = {TEXT("route"), TEXT("\0\xff"), {sizeof letters, letters}, TEXT("")};
    void *socket = open_socket(ZMQ_DEALER, router);
    int status = 0;
    for (int n = 0; n < MESSAGES && status == 0; n++) {
        const Part *route = leading + n % 4;
        status = publish(socket, route, 4 - n % 4, "dealer", n);
        status = status ? status : acknowledged(socket, route, 4 - n % 4);
    }
    status = status ? status : arrived("dealer", MESSAGES);
    close_socket(socket);
    return status;
}

/* A DEALER can send requests without waiting. Replies arrive in the order of the requests. */
static int pipelined(void)
{
    void *socket = open_socket(ZMQ_DEALER, router);
    int status = 0;
    for (int n = 0; n < MESSAGES && status == 0; n++)
        status = publish(socket, (Part[]){{sizeof n, &n}, TEXT("")}, 2, "pipeline", n);
    for (int n = 0; n < MESSAGES && status == 0; n++)
        status = acknowledged(socket, (Part[]){{sizeof n, &n}, TEXT("")}, 2);
    status = status ? status : arrived("pipeline", MESSAGES);
    close_socket(socket);
    return status;
}

static void check(const char *name, int (*body)(void))
{
    snprintf(fault, sizeof fault, "no reason");
    if (body() == 0) {
        printf("ok %s\n", name);
    } else {
        failed = 1;
        printf("not ok %s: %s\n", name, fault);
    }
    fflush(stdout);
}

int main(int count, char **arguments)
{
    if (count != 5 || sscanf(arguments[4], "http://%63[^:]:%7[0-9]", host, port) != 2)
        return 2;
    pull = arguments[1], sub = arguments[2], router = arguments[3];
    check("PUSH", push);
    check("PUB", pub);
    check("REQ: replies", req);
    check("REQ: refusals with code and text", refusals);
    check("DEALER: the reply repeats the leading frames", dealer);
    check("DEALER: 100 requests in flight", pipelined);
    puts("done");
    return failed;
}
