//! Every bound of the system, each with its reason. Used on every core.
//!
//! What an operator may want to change is configuration; what stands here is what the design
//! relies on, and the ceilings that configuration may not pass.

/// Bytes of a topic name. The client protocol's SDKs and the peers use the same bound.
pub const TOPIC_BYTES: usize = 255;

/// Bytes of a request head, request line and headers together. Proxies commonly stop at 8 KiB.
pub const HANDSHAKE_BYTES: usize = 8 * 1024;

/// Bytes of one line of the request head: long enough for 32 topics in a query string.
pub const REQUEST_TARGET_BYTES: usize = 4 * 1024;

/// Payload bytes of a control frame (RFC 6455, section 5.5).
pub const CONTROL_PAYLOAD_BYTES: usize = 125;

/// Fragments of one message: a peer that sends empty fragments for ever is cut off here, after
/// less than a megabyte. Autobahn|Testsuite sends 4 MiB in 65,536 pieces.
pub const FRAGMENTS: u32 = 128 * 1024;

/// Client commands in one WebSocket message. SDKs batch their resubscriptions on reconnect.
pub const COMMANDS_PER_MESSAGE: usize = 256;

/// Nesting of arrays and objects in what clients and publishers send. Real messages stay below
/// ten; browsers' and SDKs' parsers are recursive.
pub const JSON_DEPTH: usize = 64;

/// Sockets past `ws.max_connections` that are still read, per process, so that a client gets its
/// 503 and a balancer its `/health` instead of a reset.
pub const REFUSAL_SOCKETS: usize = 64;

/// How long a closing connection may take to take its last bytes and close its own side.
pub const CLOSE_TIMEOUT_US: u64 = 5_000_000;

/// Granularity of a shard's deadlines: fine beside the shortest sensible timeout (1 s), and ten
/// wakes a second cost an idle core nothing that shows.
pub const TICK_US: u64 = 100_000;

/// Slots of the timer wheel: 51 s ahead, so that the usual ping interval needs one placing.
pub const WHEEL_SLOTS: usize = 512;

/// Bytes that one round of sends may gather: fits the L2 cache beside what else a turn touches.
pub const EGRESS_ARENA_BYTES: usize = 256 * 1024;

/// Sends in one round: half of the submission queue, so that a round is one submit.
pub const EGRESS_SENDS: usize = 2048;

/// A frame of this size or more is sent from where it lies instead of being gathered: the copy
/// would cost more than a send of its own.
pub const GATHER_BYTES: usize = 16 * 1024;

/// Entries an outbox keeps allocated when it runs empty; a burst's memory goes back.
pub const OUTBOX_KEPT_FRAMES: usize = 64;

/// Batches on one lane. At the fastest ingest measured this is well over a second of work.
pub const LANE_BATCHES: usize = 4096;

/// Bytes on one lane: what a shard may fall behind before it loses publications instead of the
/// process losing its memory. Compressed frames that a faster shard makes of what waits here come
/// on top, each smaller than the plain one that is counted.
pub const LANE_BYTES: usize = 64 * 1024 * 1024;

/// Publications in one batch: small enough that the first of them does not wait for the last.
pub const BATCH_PUBLICATIONS: usize = 256;

/// Publications from clients and the admin port that wait for ingest.
pub const INLET_PUBLICATIONS: usize = 4096;

/// Requests from the control thread that wait for one shard.
pub const LANE_REQUESTS: usize = 64;

/// Buckets of a shard's interest filter: 32 KiB of bits, which stay in the ingest core's cache.
/// With 100,000 topics on a shard, two of three publications nobody wants are still spared.
pub const INTEREST_BUCKETS: usize = 1 << 18;

/// Descriptors the process keeps for itself: standard streams, logs, libzmq's own, the admin
/// port's and the publishers' connections.
pub const OWN_DESCRIPTORS: usize = 64;

/// Descriptors of one shard: four rings, event descriptors, the listener, the reserve, and both
/// ends of the watchdog's canary connection.
pub const OWN_DESCRIPTORS_PER_SHARD: usize = 16;
/// Bytes of a close frame's reason: a control payload less the status code.
pub const CLOSE_REASON_BYTES: usize = CONTROL_PAYLOAD_BYTES - 2;

/// Seconds a refused client is asked to wait (`Retry-After` of a 503): longer than a restart,
/// shorter than a person's patience.
pub const RETRY_AFTER_SECONDS: u32 = 5;
/// Bytes that a parse buffer may hold between two parses. Memory for a parse is up to 24 times
/// the text, so a rare large text must not keep it for ever.
pub const JSON_KEPT_BYTES: usize = 256 * 1024;

/// Bytes of a publication's meta, a small JSON object beside the payload.
pub const META_BYTES: usize = 4 * 1024;

/// Submission queue entries of a shard's ring: a round of sends and what else a turn asks for.
pub const RING_ENTRIES: u32 = 4096;

/// Completion queue entries: multishot operations complete without being submitted again.
pub const RING_COMPLETIONS: u32 = 16 * 1024;

/// Receive buffers of a shard, shared by all its connections; a power of two.
pub const RECEIVE_BUFFERS: u16 = 512;

/// Bytes of a receive buffer: several commands, or a page of a large message.
pub const RECEIVE_BUFFER_BYTES: usize = 4096;

/// Broadcasts that a shard takes off its lane in one turn before it looks at its sockets again.
pub const TURN_BROADCASTS: usize = 1024;

/// Connections waiting to be accepted, per shard. The kernel cuts it to `net.core.somaxconn`.
pub const ACCEPT_BACKLOG: i32 = 65_535;

/// How long accepting pauses when the process is out of descriptors.
pub const ACCEPT_PAUSE_US: u64 = 100_000;

/// Connections that are told at once that there are no descriptors, per pause.
pub const ACCEPT_REFUSALS: usize = 64;

/// Bytes glommio registers for disk IO, which no shard does: its smallest setting.
pub const GLOMMIO_IO_MEMORY_BYTES: usize = 64 * 1024;

/// Frames of one ZeroMQ message that are kept: routing frames of a chain of devices, three parts
/// and some. Of a longer one the rest is read and thrown away, and it is rejected.
pub const MESSAGE_FRAMES: usize = 32;

/// Bytes of a frame beyond which libzmq cuts the publisher off, over `ingest.max_payload`: a
/// payload somewhat too large still gets a counted, named rejection.
pub const MESSAGE_FRAME_SLACK: usize = 64 * 1024 * 1024;

/// Messages that are taken from one ZeroMQ socket before the others get their turn.
pub const DRAIN_MESSAGES: usize = BATCH_PUBLICATIONS;

/// How long closing ZeroMQ sockets may hold the process for replies that are still to go out.
pub const LINGER_MS: i32 = 200;
/// Bytes of one publication's payload, at most. Every subscriber's outbox holds it whole; larger
/// things belong behind a link.
pub const PAYLOAD_CEILING_BYTES: usize = 64 * 1024 * 1024;

/// Bytes of one client message, at most. A connection assembles it in memory before it counts.
pub const MESSAGE_CEILING_BYTES: usize = 16 * 1024 * 1024;

/// Bytes one connection may have pending, at most: sums of it stay far from any integer's end.
pub const OUTBOX_CEILING_BYTES: usize = 1024 * 1024 * 1024;

/// Timeouts and periods, at most: longer is a slip, and no timer of ours spans more.
pub const TIMEOUT_CEILING: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);

/// Bytes of an `ipc://` path: `sun_path` is 108 with its terminator (`unix(7)`).
pub const IPC_PATH_BYTES: usize = 107;

/// Bytes of a user and password pair: ZMTP PLAIN gives each of them a length of one byte.
pub const PLAIN_PAIR_BYTES: usize = 255;

/// Cores of the largest host: the kernel's own ceiling on x86 (`NR_CPUS`).
pub const CORES: usize = 8192;

/// Connections that the admin port serves at once: scrapers and a few operators.
pub const ADMIN_CONNECTIONS: usize = 64;

/// Seconds that a connection to the admin port may last. Scrapers come back by themselves.
pub const ADMIN_TIMEOUT_S: u64 = 120;

/// How long the admin port waits when it cannot accept.
pub const ADMIN_PAUSE_MS: u64 = 200;

/// Bytes of a request to the admin port; what of it is too much of a payload is for ingest to
/// say, which knows the rule of the moment. Larger payloads come over ZeroMQ.
pub const ADMIN_BODY_BYTES: usize = 8 * 1024 * 1024;

/// How long an HTTP publication may wait for ingest's verdict, which takes microseconds.
pub const ADMIN_VERDICT_MS: u64 = 1000;
/// Held bytes (payloads and frames) of one batch of several publications: a shard takes batches
/// whole, and a burst of large ones must fit lanes and outboxes piece by piece.
pub const BATCH_BYTES: usize = 64 * 1024;

/// Held bytes that a shard takes off its lane before it sends, at most: far below the default
/// outbox, so that a burst makes nobody slow who had no chance to read.
pub const TURN_BYTES: usize = 256 * 1024;

/// Bytes of a body that are read only to be thrown away, so that the refusal arrives.
pub const ADMIN_DISCARD_BYTES: usize = 16 * 1024 * 1024;
/// How long a start waits for `ws.listen` to become free. A killed process's rings hold its
/// listeners some 10 ms longer than the process lives, and its supervisor starts the next at once.
pub const LISTEN_PATIENCE: std::time::Duration = std::time::Duration::from_secs(1);

/// How often a start asks for an address that is taken.
pub const LISTEN_RETRY: std::time::Duration = std::time::Duration::from_millis(10);

/// Bytes the kernel takes for a connection beyond what the peer's window lets it send. Enough to
/// keep a fast path busy between two turns; without it a client that never reads takes
/// `net.ipv4.tcp_wmem`, 4 MiB by default, before its outbox sees any of it.
pub const NOT_SENT_BYTES: u32 = 128 * 1024;

/// Bytes that a pending frame counts for beside its own: its place in the pool, the allocation
/// behind it and its entries in outboxes. Without it, frames of 3 bytes would cost 38 times the
/// bound of the outbox that holds them.
pub const FRAME_OVERHEAD_BYTES: usize = 128;

/// Entries the frame pool of a shard keeps allocated when it runs empty: 64 KiB. A usual turn
/// stays below; the memory of a peak goes back.
pub const POOL_KEPT_FRAMES: usize = 1024;

/// Entries the topic table of a shard keeps allocated when nobody listens any more.
pub const KEPT_TOPICS: usize = 1024;

/// The smallest window, in bits, that compressed frames are made for. Clients that ask for less
/// memory than the usual 32 KiB ask for this as a rule; a smaller one would cut every message into
/// pieces too small to be worth it.
pub const DEFLATE_WINDOW_BITS: u8 = 12;

/// Compression levels, those of libdeflate that compress: 0 would only wrap.
pub const DEFLATE_LEVELS: std::ops::RangeInclusive<u8> = 1..=12;

/// Bytes of a frame that several publications share, at most. It has to stay below
/// [`GATHER_BYTES`], to go out in one send with what else is pending; the rest is room for what
/// escapes in topics and texts add, which is not foreseen.
pub const BATCH_FRAME_CEILING_BYTES: usize = GATHER_BYTES - 8 * BATCH_PUBLICATIONS;

/// Bytes that each buffer of a shard's compressor and decompressor keeps between two messages.
pub const DEFLATE_KEPT_BYTES: usize = 64 * 1024;

/// Bytes that an inflated message is given room for at first: most are commands.
pub const INFLATE_START_BYTES: usize = 4 * 1024;

/// Blocks of one compressed message: so many, and one more for so many bytes of its payload. Each
/// costs 4 us of preparation, so that without a bound empty ones would keep a shard busy at
/// 300 kB/s, and a small message is to cost little more than its parsing. Small messages have one
/// block or two; zlib's smallest, with the smallest memory it can be given, have 27 bytes.
pub const INFLATE_BLOCKS: usize = 8;
pub const INFLATE_BLOCK_BYTES: usize = 16;

/// Items of a page of a shard's connections or sockets: some 40 KiB of connections at a time.
pub const PAGE_ITEMS: usize = 256;

/// How long a shard sleeps in its ring before it lets its executor sleep: longer than the pauses of
/// a shard that is in use, and short enough for the executor's own tasks to wait.
pub const NAP: std::time::Duration = std::time::Duration::from_millis(10);
/// Bytes a connection costs while nothing is pending: 616 of ours, as `fanfare-bench idle` says,
/// and 3 to 4 KiB of the kernel's for its socket.
pub const CONNECTION_BYTES: u64 = 4608;

/// Connections that a host is looked at for when nobody says how many: three times a production
/// day of the system whose load this one is built for.
pub const EXPECTED_CONNECTIONS: u64 = 10_000;

/// Slots that a survey of a shard's connections looks at in one turn: tens of microseconds.
pub const SURVEY_SLOTS: usize = 4 * PAGE_ITEMS;

/// Connections that one survey lists, at most: what a person reads, and a describing of each.
pub const SURVEY_LISTED: usize = 100;

/// How long the admin port waits for the shards' surveys. A million connections on a busy shard
/// take a thousand turns, which is less.
pub const SURVEY_WAIT_MS: u64 = 2000;
/// How often the load is measured, and so how old an answer to `HAProxy` may be. A
/// measurement costs some 100 us of the control thread.
pub const LOAD_SAMPLE: std::time::Duration = std::time::Duration::from_millis(100);

/// What rates are measured over: long enough that a burst every second is a steady load.
pub const LOAD_WINDOW_US: u64 = 1_000_000;

/// The most that one part counts for in the smoothed load: one stall must not be remembered as
/// if it had been going on.
pub const LOAD_PART_CEILING: f64 = 2.0;

/// Connections to the agent that are answered at once: each load balancer has one at a time.
pub const AGENT_CONNECTIONS: usize = 64;

/// How long a connection to the agent may last, and what of `agent-send` is read and thrown away
/// in it: unread bytes would turn the close into a reset, which may overtake the answer.
pub const AGENT_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(1);
pub const AGENT_DISCARD_BYTES: usize = 4096;

/// Bytes of an answer from an admin port that are read: figures of the largest host, many times.
pub const ADMIN_ANSWER_BYTES: u64 = 16 * 1024 * 1024;

/// How long a node's admin port may be silent before whoever asks it gives up.
pub const ADMIN_PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);
/// Bytes of a datagram to a statsd: an Ethernet frame of 1,500 less what IP, UDP and a tunnel take,
/// so that none is cut into fragments, of which one lost loses all.
pub const STATSD_PACKET_BYTES: usize = 1432;

/// Bytes of one statsd name, prefix included: Whisper makes a file of every name, and a file
/// system takes 255 for each part of a path. Two gauge lines of that length fit one packet.
pub const STATSD_NAME_BYTES: usize = 255;

/// Bytes of `statsd.prefix`, so that names and a host's (64, `sethostname(2)`) fit beside it.
pub const STATSD_PREFIX_BYTES: usize = 96;

/// Values that stand for one flush of a timer: its p99.9 is the last but one of them.
pub const STATSD_TIMER_VALUES: u64 = 1000;

/// The shortest time between two flushes: a statsd counts in whole seconds.
pub const STATSD_INTERVAL_FLOOR: std::time::Duration = std::time::Duration::from_secs(1);

/// Pause after a datagram to a statsd. A hundred at once overflow a default receive buffer
/// (`net.core.rmem_default`, 208 KiB, in which each takes 2.3); and a refusal is back by then.
pub const STATSD_PACE: std::time::Duration = std::time::Duration::from_millis(1);

/// How long one flush to a statsd may take, looking its name up included.
pub const STATSD_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);

/// How long the end of the process waits for the service thread, which sends the last figures to a
/// Statsd. Longer would hold up a restart for the sake of a statsd that does not answer.
pub const SERVICE_SHUTDOWN: std::time::Duration = std::time::Duration::from_secs(1);

/// Threads for calls of the service thread that block, such as name resolution. A resolver that
/// does not answer holds a call for some 30 s, and a flush to a statsd makes one every 5 s.
pub const SERVICE_BLOCKING_THREADS: usize = 16;

/// How far back the figures of the last interval reach: two scrapes of the usual 5 s.
pub const WINDOW_US: u64 = 10_000_000;

/// How often counters and histograms are read to be looked back at. The figures themselves are as
/// fresh as the scrape; this is only how far the window's beginning is off.
pub const READING_US: u64 = 1_000_000;

/// Bounds of the exposed histograms in quarter powers of two of a second, as Prometheus' native
/// schema 2 has them: from 3.8 us, which no turn is shorter than, to 32 s, which no delivery takes
/// on a connection that lives. The same on every node, so that they add up.
pub const BUCKET_QUARTERS: std::ops::RangeInclusive<i32> = -18 * 4..=5 * 4;

/// Publishers whose sequence numbers are followed: more than any fleet of backend services has,
/// and less than 20 MB.
pub const PUBLISHERS: usize = 64 * 1024;

/// How long a publication may come later than one that was sent after it, over another connection
/// or socket, before it is missing.
pub const PUBLISHER_PATIENCE_US: u64 = 1_000_000;

/// Numbers of a publisher that are looked back on, the highest one's included; a multiple of 64.
/// Two sockets that share its messages are drained in turn, so that the second one's lag behind by
/// what both bring at once.
pub const PUBLISHER_WINDOW: u64 = 2 * DRAIN_MESSAGES as u64;

/// Numbers from long ago, ascending and in a row, that show that a publisher began anew and lost
/// its first messages. Also how far below a publisher's first number others may still come.
pub const PUBLISHER_RUN: u64 = 64;

/// A step in a publisher's numbers that is longer than this is a new beginning: nobody loses
/// sixteen million messages between two that arrive.
pub const PUBLISHER_JUMP: u64 = 1 << 24;
/// How long the watchdog waits before it opens a canary connection that was lost again.
pub const CANARY_RETRY: std::time::Duration = std::time::Duration::from_millis(500);

/// Looks per watchdog period. Half of them may be needed to see the canaries come back, and each
/// repeats a publication that was lost.
pub const WATCHDOG_LOOKS: u64 = 32;

/// How often the service manager is told how busy the process is: for a person who asks it.
pub const STATUS_INTERVAL: std::time::Duration = std::time::Duration::from_secs(10);
