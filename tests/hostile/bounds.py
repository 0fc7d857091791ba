"""The bounds and the load of the tests in this directory, in one place."""

MIB = 1 << 20

# The settings of every server. Pings are more frequent than by default, so that each client is
# pinged several times in an attack and a missing answer shows within the attack.
SETTINGS = {"ws.ping": "4s", "ws.pong_timeout": "3s", "ingest.publisher_memory": "64MiB"}
WATCHDOG_S = 5.0

# The honest clients and publishers.
CLIENTS = 200
PING_INTERVAL_S = 1.0
PUBLISH_INTERVALS_S = {"push": 0.1, "req": 0.2, "http": 0.5}
SCRAPE_INTERVAL_S = 0.25

# The duration of the measurement before an attack, of an attack of clients, and of an attack of
# publishers or on the admin port.
BASELINE_S, ATTACK_S, SHORT_ATTACK_S = 4, 12, 8
# The time in which everything must have arrived after an attack.
SETTLE_S = 30

# The number of attacking clients of each kind.
ATTACKERS = {
    "fragments": 6_000,
    "large messages": 5_000,
    "half handshakes": 5_000,
    "slow frames": 5_000,
    "ping floods": 2_000,
}

# What honest clients and publishers may notice of an attack.
PING_P99_MS = 1_000
REPLY_MAX_MS = 1_000
SCRAPE_MAX_MS = 2_000
# The 99th percentile of deliveries may be this many times that before the attack, or the floor if
# that is more. The floor is for delays that the host adds and not the server: the honest clients are
# one process, which handles 200 deliveries one after another; with two cores it shares its core with
# the attackers; and the ingest thread, the shard and libzmq share the other core, where each runs
# for some milliseconds while the others wait.
DELIVERY_RATIO, CLIENT_FLOOR_MS = 4, 50
# A publication also waits for the work that publications of others cause in the ingest thread and
# in libzmq, for example while millions of parts of an unfinished message are released.
OTHER_FLOOR_MS = 500

# The growth of the server's resident memory during each attack of publishers, in MiB, with
# `ingest.publisher_memory` of 64 MiB.
GROWTH_MIB = {
    "flood of 1 MiB payloads": 192,
    "replies of 256 KiB never read": 192,
    "replies of 30 KiB never read": 192,
    "message of empty parts without end": 640,
    "message of 64 KiB parts without end": 192,
    "rejected message of 33 x 20 MiB": 192,
    "idle connections to the admin port": 64,
    "unfinished bodies": 128,
    "unfinished bodies without the token": 32,
}
# What may remain of it after the publishers have left, and the time for it.
REMAINING_MIB, RETURN_S = 50, 20

# The MiB that one publisher sends at most in an attack, so that a server without bounds does not take
# the memory of the host. All take several times their bound of such a server: libzmq needs 64 bytes
# for each part, and an empty part has 2 bytes on the wire. The rejected message is sent once.
SENT_MIB = {
    "flood of 1 MiB payloads": 3_000,
    "replies of 256 KiB never read": 2_000,
    "replies of 30 KiB never read": 2_000,
    "message of empty parts without end": 64,
    "message of 64 KiB parts without end": 2_000,
    "rejected message of 33 x 20 MiB": 661,
    "load of reloads": 6_000,
}

ADMIN_CONNECTIONS, ADMIN_BODIES, BODY_BYTES = 1_000, 64, 8_000_000

# The number of reloads, the time over which they are spread, and the time after which the last file
# must be in force on each thread, while the load goes on.
RELOADS, RELOADING_S, TAKEN_S = 1_000, 8, 15
