<?php
// php-zmq on PUSH, PUB, REQ and DEALER. Arguments: pull, sub, router, control URL.

const MESSAGES = 100;

[, $pull, $sub, $router, $control] = $argv;
if (!extension_loaded('zmq')) {
    echo "SKIPPED the PHP extension zmq is not installed\ndone\n";
    exit(0);
}
$context = new ZMQContext();
$failed = false;

function open(int $type, string $endpoint): ZMQSocket
{
    $socket = new ZMQSocket($GLOBALS['context'], $type);
    foreach ([ZMQ::SOCKOPT_SNDTIMEO, ZMQ::SOCKOPT_RCVTIMEO, ZMQ::SOCKOPT_LINGER] as $option) {
        $socket->setSockOpt($option, 10_000);
    }
    return $socket->connect($endpoint);
}

// Returns a topic and the payload of scenario.py's function `padded`.
function publication(string $name, int $n): array
{
    $pad = str_repeat("{$n}é ", max($n, 0) % 100);
    return ['from', "{\"from\":\"php-zmq $name\",\"n\":$n,\"pad\":\"$pad\"}"];
}

function received(string $name, int $count): array
{
    $query = http_build_query(['from' => "php-zmq $name", 'count' => $count]);
    $post = stream_context_create(['http' => ['method' => 'POST', 'content' => '']]);
    return json_decode(file_get_contents("{$GLOBALS['control']}/received?$query", false, $post));
}

function same(mixed $actual, mixed $expected, string $what): void
{
    if ($actual !== $expected) {
        $shown = fn ($value) => substr(var_export($value, true), 0, 120);
        throw new Exception("$what: got {$shown($actual)}, expected {$shown($expected)}");
    }
}

// Checks that a client received 0 to MESSAGES-1 in order. The probes of PUB (-1) are ignored.
function arrived(string $name, int $count = MESSAGES): void
{
    $numbers = array_filter(received($name, $count), fn ($n) => $n !== -1);
    same(array_values($numbers), range(0, MESSAGES - 1), 'arrived');
}

function exchange(ZMQSocket $socket, array $frames): array
{
    $socket->sendMulti($frames);
    return $socket->recvMulti() ?: throw new Exception('no reply');
}

function push(): void
{
    $socket = open(ZMQ::SOCKET_PUSH, $GLOBALS['pull']);
    for ($n = 0; $n < MESSAGES; $n++) {
        $socket->sendMulti(publication('push', $n));
    }
    arrived('push');
}

// Sends probes until the subscription has reached the PUB socket, which drops messages before.
function pub(): void
{
    $socket = open(ZMQ::SOCKET_PUB, $GLOBALS['sub']);
    for ($sent = 0; !received('pub', 0); $sent++) {
        same($sent < 500, true, 'a probe arrives');
        $socket->sendMulti(publication('pub', -1));
        usleep(20_000);
    }
    for ($n = 0; $n < MESSAGES; $n++) {
        $socket->sendMulti(publication('pub', $n));
    }
    $socket->sendMulti(publication('pub end', 0));
    received('pub end', 1);
    arrived('pub', 0);
}

function req(): void
{
    $socket = open(ZMQ::SOCKET_REQ, $GLOBALS['router']);
    for ($n = 0; $n < MESSAGES; $n++) {
        same(exchange($socket, publication('req', $n)), ['ok'], 'reply');
    }
    same(exchange($socket, ['meta', '{}', '{"key":"value"}']), ['ok'], 'with meta');
    arrived('req');
}

function refusals(): void
{
    $refused = [
        ['topic_empty', ['', '{}']],
        ['topic_too_long', [str_repeat('x', 256), '{}']],
        ['topic_control', ["a\x07", '{}']],
        ['topic_not_utf8', ["\xff\xfe", '{}']],
        ['payload_not_json', ['topic', '{']],
        ['parts', ['topic']],
        ['parts', ['topic', '{}', '{}', '{}']],
        ['meta_not_object', ['topic', '{}', '[]']],
        ['payload_too_large', ['topic', '"' . str_repeat('x', 2 << 20) . '"']],
    ];
    $socket = open(ZMQ::SOCKET_REQ, $GLOBALS['router']);
    foreach ($refused as [$code, $frames]) {
        $reply = exchange($socket, $frames);
        same(array_slice($reply, 0, 2), ['error', $code], $code);
        same(count($reply) === 3 && $reply[2] !== '', true, "text of $code");
        same(exchange($socket, ['topic', '{}']), ['ok'], "after $code");
    }
}

function dealer(): void
{
    $leading = ['route', "\x00\xff", str_repeat('x', 300)];
    $socket = open(ZMQ::SOCKET_DEALER, $GLOBALS['router']);
    for ($n = 0; $n < MESSAGES; $n++) {
        $route = [...array_slice($leading, 0, $n % 4), ''];
        $reply = exchange($socket, [...$route, ...publication('dealer', $n)]);
        same($reply, [...$route, 'ok'], 'reply');
    }
    arrived('dealer');
}

// A DEALER can send requests without waiting. Replies arrive in the order of the requests.
function pipelined(): void
{
    $socket = open(ZMQ::SOCKET_DEALER, $GLOBALS['router']);
    for ($n = 0; $n < MESSAGES; $n++) {
        $socket->sendMulti([(string) $n, '', ...publication('pipeline', $n)]);
    }
    for ($n = 0; $n < MESSAGES; $n++) {
        same($socket->recvMulti(), [(string) $n, '', 'ok'], 'reply');
    }
    arrived('pipeline');
}

function check(string $name, callable $body): void
{
    try {
        $body();
        echo "ok $name\n";
    } catch (Throwable $fault) {
        $GLOBALS['failed'] = true;
        echo "not ok $name: ", strtr($fault->getMessage(), "\n", ' '), "\n";
    }
}

check('PUSH', push(...));
check('PUB', pub(...));
check('REQ: replies', req(...));
check('REQ: refusals with code and text', refusals(...));
check('DEALER: the reply repeats the leading frames', dealer(...));
check('DEALER: 100 requests in flight', pipelined(...));
echo "done\n";
exit($failed ? 1 : 0);
