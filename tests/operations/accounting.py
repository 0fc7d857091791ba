"""Checks that the metrics show a loss or delay at the stage that caused it, and at no other stage.

A binary with the feature `lossy` (src/observe/lossy.rs) loses messages on purpose. Its path is in
FANFARE_LOSSY; the default is `fanfare-lossy` in the tools directory.
"""

import contextlib
import re
import sys
import time

import zmq
from load import Flood, Publisher, Readers
from node import Node, Report, arguments, lossy, until

STAGES = ["check", "route", "lane", "deliver"]
TOPICS = ["a", "b", "c"]
BASE = 18120
SCRAPES = 50
# The smallest loss that must be visible, at 1,500 messages per second: one message in a hundred.
RATE, EVERY = 1_500, 100
# Two scrapes at an interval of 5 s.
PATIENCE_S = 10


@contextlib.contextmanager
def loaded(binary, log_path, variables=None, rate=RATE, readers=8):
    """Runs a node with two shards under load. Without a rate, the load exceeds its capacity."""
    settings = {"cpu.shards": 2, "ws.slow": "drop_oldest"}
    with (
        Node(binary, log_path, BASE, settings, variables) as node,
        Readers(node.ws, TOPICS, readers),
        Publisher(node.pull, TOPICS, rate) if rate else Flood(node.pull, TOPICS, b'"%s"' % (b"x" * 500)),
    ):
        until(lambda: node.sum("fanfare_written_total") > 100, 5, "deliveries")
        yield node


def of(figures, name, **labels):
    """Returns the sum of the samples with this name and these labels."""
    wanted = [f'{key}="{value}"' for key, value in labels.items()]
    return sum(
        value
        for sample, value in figures.items()
        if sample.split("{")[0] == name and all(label in sample for label in wanted)
    )


def unaccounted(figures):
    """Returns matched - written - dropped - pending of the process, then of each shard."""
    shards = {found[1] for sample in figures if (found := re.search(r'shard="(\d+)"', sample))}
    assert len(shards) == 2, shards

    def missing(**labels):
        parts = ["written_total", "dropped_total", "pending"]
        rest = sum(of(figures, f"fanfare_{part}", **labels) for part in parts)
        return of(figures, "fanfare_matched_total", **labels) - rest

    return [missing(), *(missing(shard=shard) for shard in sorted(shards))]


def stages(figures):
    """Returns the difference and the ratio of each stage."""
    return {
        stage: tuple(of(figures, f"fanfare_stage_{what}", stage=stage) for what in ("difference", "ratio"))
        for stage in STAGES
    }


def clean(binary, log_path, rate):
    """Nothing is missing in any scrape, at the given rate or, without a rate, at saturation."""
    with loaded(binary, log_path, rate=rate, readers=8 if rate else 60) as node:
        # These readers are not stepped, so they do not read, and messages for them are dropped.
        silent = None if rate else Readers(node.ws, TOPICS, 2)
        began, busy = node.metrics(), 0
        for number in range(SCRAPES):
            figures = node.metrics()
            assert unaccounted(figures) == [0, 0, 0], f"scrape {number}: {unaccounted(figures)}"
            for stage, found in stages(figures).items():
                assert found == (0, 1), f"scrape {number}: {stage}: {found}"
            queued = of(figures, "fanfare_lane_queued_batches") + of(figures, "fanfare_pending")
            busy += queued > 0
            time.sleep(0.05)
        ended = node.metrics()
        if silent:
            silent.close()
        name = "fanfare_stage_in_total"
        passed = {stage: int(of(ended, name, stage=stage) - of(began, name, stage=stage)) for stage in STAGES}
        assert all(count > RATE for count in passed.values()), passed
    dropped = int(of(ended, "fanfare_dropped_total"))
    assert rate or (dropped and busy > SCRAPES * 0.8), f"{busy} scrapes at saturation, {dropped} dropped"
    return f"{SCRAPES} scrapes, {busy} with pending messages, {dropped} dropped, {passed}"


def one_stage(binary, log_path, stage):
    """A loss of one percent is visible at this stage only, within two scrapes."""
    with loaded(binary, log_path, {"FANFARE_LOSE": f"{stage}:{EVERY}"}) as node:
        start = time.monotonic()
        # Enough losses to distinguish one percent from other shares. A lane loses whole batches, which
        # are large after a pause of the host, so that the share settles after some of them.
        figures = until(
            lambda: of(figures := node.metrics(), "fanfare_stage_difference", stage=stage) >= 20
            and 0.98 < stages(figures)[stage][1] < 0.998
            and figures,
            PATIENCE_S,
            f"a difference at {stage}",
        )
        took_s = time.monotonic() - start
        found = stages(figures)
        for other in STAGES:
            if other != stage:
                assert found[other] == (0, 1), f"{other}: {found[other]}"
        _, ratio = found[stage]
        assert 0.98 < ratio < 0.998, ratio
        missing = unaccounted(figures)
        assert any(missing) == (stage == "deliver"), missing
        lost = of(figures, "fanfare_stage_in_total", stage=stage) - of(figures, "fanfare_stage_out_total", stage=stage)
        assert lost >= 20, lost
    return f"ratio {ratio:.4f} after {took_s:.1f} s"


def last_of_lane(binary, log_path):
    """A lane that loses every batch is visible even if no later batch arrives."""
    settings, variables = {"cpu.shards": 2}, {"FANFARE_LOSE": "lane:1"}
    with Node(binary, log_path, BASE, settings, variables) as node, Readers(node.ws, ["a"], 1):
        with Publisher(node.pull, ["a"], 10) as publisher:
            until(lambda: publisher.sent, 5, "a publication")
        lost = until(lambda: stages(node.metrics())["lane"][0], 5, "a difference at lane")
        assert lost == node.sum("fanfare_routed_total") and lost > 0, lost


def drops_are_counted(binary, log_path):
    """Messages that a policy drops are counted with a reason, and the stage difference stays 0."""
    settings = {"cpu.shards": 2, "ws.slow": "drop_oldest", "ws.outbox": "64KiB", "ingest.max_payload": "32KiB"}
    payload = b'"' + b"x" * 20_000 + b'"'
    with Node(binary, log_path, BASE, settings) as node:
        silent = Readers(node.ws, ["a"], 2)  # These readers are not stepped, so they do not read.
        with Publisher(node.pull, ["a"], RATE, payload):
            until(lambda: node.sum("fanfare_dropped_total") > 100, 10, "drops")
            figures = node.metrics()
        silent.close()
    assert unaccounted(figures) == [0, 0, 0], unaccounted(figures)
    assert set(stages(figures).values()) == {(0, 1)}, stages(figures)
    return f"{of(figures, 'fanfare_dropped_total', reason='oldest'):.0f} dropped"


def bucket_quantile(figures, name, quantile):
    """Returns the bounds of the bucket that contains a quantile, as PromQL determines it."""
    found = {}
    for sample, count in figures.items():
        if bound := re.fullmatch(rf'fanfare_{name}_seconds_bucket\{{le="(.*)"\}}', sample):
            found[float(bound[1])] = count
    bounds = sorted(found)
    rank = quantile * found[float("inf")]
    at = next(index for index, bound in enumerate(bounds) if found[bound] >= rank)
    return (bounds[at - 1] if at else 0), bounds[at]


def stalled(binary, log_path):
    """One of two shards stops for 50 ms each second. The merged metrics show the delay."""
    # With 40 readers, each shard has several, however the kernel distributes them.
    with loaded(binary, log_path, {"FANFARE_STALL": "0:50"}, rate=500, readers=40) as node:
        until(lambda: min(shard["connections"] for shard in node.stats()["shards"]) > 0, 1, "both shards in use")
        until(lambda: node.stats()["total"]["delivery_us"]["count"] > 60_000, 20, "some stalls")
        figures, stats = node.metrics(), node.stats()
    for name in ("delivery", "lag"):
        at = {
            quantile: of(figures, f"fanfare_{name}_quantile_seconds", quantile=quantile)
            for quantile in ("0.5", "0.99", "0.999", "1")
        }
        # A twentieth of the messages of one shard are delayed, by 25 ms on average.
        assert 0.005 < at["0.99"] <= at["0.999"] <= at["1"] and at["1"] > 0.040, f"{name}: {at}"
        assert at["0.5"] < 0.025, f"{name}: {at}"
        # The bucket since the start is the bucket of the gauge or the one next to it.
        low, high = bucket_quantile(figures, name, 0.99)
        assert low / 1.2 <= at["0.99"] <= high * 1.2, f"{name}: {at['0.99']} is not in {low} to {high}"
    turn = of(figures, "fanfare_turn_quantile_seconds", quantile="1")
    assert turn > 0.050 and stats["shards"][0]["turn_us"]["max"] > 50_000, f"turn: {turn}"
    p99_ms = [shard["delivery_us"]["p99"] / 1000 for shard in stats["shards"]]
    merged_ms = stats["total"]["delivery_us"]["p99"] / 1000
    assert min(p99_ms) <= merged_ms <= max(p99_ms), (p99_ms, merged_ms)
    return f"p99 {merged_ms:.1f} ms, of the shards {p99_ms[0]:.1f} and {p99_ms[1]:.1f} ms"


def busy(binary, log_path):
    """While a shard is stopped, its lane fills. Messages of a PUSH socket are dropped, and a DEALER
    receives busy replies. When the shard runs again, the DEALER receives ok replies."""
    stop = log_path.with_suffix(".stop")
    stop.unlink(missing_ok=True)
    with (
        loaded(binary, log_path, {"FANFARE_BLOCK": f"0:{stop}"}, rate=None) as node,
        zmq.Context() as context,
    ):
        dealer = context.socket(zmq.DEALER)
        dealer.linger, dealer.rcvtimeo = 0, 5_000
        dealer.connect(node.router)
        replies = {}

        def ask():
            for _ in range(20):
                dealer.send_multipart([b"", b"a", b"1"])
            for _ in range(20):
                code = dealer.recv_multipart()[-2].decode()
                # `ok` has one frame, so the frame before it is the delimiter.
                code = code or "ok"
                replies[code] = replies.get(code, 0) + 1
            return replies

        try:
            stop.touch()
            until(lambda: ask().get("busy", 0) > 20, 60, "busy replies from a full lane")
            while_stopped = dict(replies)
        finally:
            stop.unlink()
        until(lambda: ask().get("ok", 0) > while_stopped.get("ok", 0) + 20, 30, "ok replies after the stop")
        # The flood continues, but the DEALER sends no more requests.
        until(lambda: node.sum("fanfare_rejected_total", 'reason="busy"') == replies["busy"], 5, "a count of every busy reply")
        figures = node.metrics()
        dealer.close()
    assert of(figures, "fanfare_lane_dropped_total") > 0
    for stage in ("check", "route"):
        assert stages(figures)[stage] == (0, 1), f"{stage}: {stages(figures)[stage]}"
    assert set(replies) == {"ok", "busy"}, replies
    return f"{replies['busy']} busy, {replies['ok']} ok, {of(figures, 'fanfare_lane_dropped_total'):.0f} dropped"


def numbered(binary, log_path):
    """Gaps, duplicates and restarts of a publisher's numbers are counted. Reordered and rejected
    messages are not."""
    with Node(binary, log_path, BASE) as node, zmq.Context() as context:
        push = context.socket(zmq.PUSH)
        push.linger = 5_000
        push.connect(node.pull)

        def send(*numbers, payload=b"1"):
            for seq in numbers:
                push.send_multipart([b"a", payload, b'{"id":"billing","seq":%d}' % seq])

        def found():
            names = ["missing_total", "duplicates_total", "restarts_total"]
            return [int(node.sum(f"fanfare_publisher_{name}")) for name in names]

        send(*range(1, 40), *range(50, 600))
        until(lambda: found() == [10, 0, 0], 5, "a gap of ten")
        send(599, 602, 601, 600)
        send(603, payload=b"no JSON")
        send(*range(604, 700))
        until(lambda: found() == [10, 1, 0], 5, "a repetition")
        send(0, 1, 2)
        until(lambda: found() == [10, 1, 1], 5, "a restart")
        assert node.sum("fanfare_publishers") == 1
        push.close()


def main():
    given = arguments("accounting")
    report, logs = Report("accounting"), given.logs

    def check(name, function, binary, *more):
        report.check(name, function, binary, logs / f"{name.replace(' ', '-')}.log", *more)

    check("a run without losses shows no loss", clean, given.fanfare, RATE)
    check("saturation shows no loss", clean, given.fanfare, None)
    check("dropped messages are counted with a reason", drops_are_counted, given.fanfare)
    check("gaps, duplicates and restarts of a publisher's numbers", numbered, given.fanfare)
    if binary := lossy(given.tools):
        check("the lossy build shows no loss when it loses nothing", clean, binary, None)
        for stage in STAGES:
            check(f"a loss of one percent at {stage}", one_stage, binary, stage)
        check("a loss of the last batch on a lane", last_of_lane, binary)
        check("a shard that stops for 50 ms each second", stalled, binary)
        check("busy replies while a lane is full", busy, binary)
    else:
        report.skip("no lossy binary: set FANFARE_LOSSY")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
