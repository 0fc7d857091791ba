"""Attacks of thousands of clients: honest clients are neither closed nor delayed."""

import time

from attackers import Attackers
from bounds import ATTACK_S, ATTACKERS, CLIENT_FLOOR_MS, MIB
from session import ATTACK_CORE, Session, judge


def attack(given, kind):
    with Session(given, kind) as session:
        session.measure_before()
        session.begin()
        with Attackers(session.node.ws, kind, ATTACKERS[kind], ATTACK_CORE) as attackers:
            attackers.start()
            time.sleep(ATTACK_S)
            sent_bytes, ends = attackers.stop()
        figures = session.settle()
    note = f"{ATTACKERS[kind]} attackers sent {sent_bytes / MIB:.1f} MiB, ended {ends}"
    return judge(figures, session.before, note, floor_ms=CLIENT_FLOOR_MS)


def main(given, report):
    for kind in ATTACKERS:
        report.check(kind, attack, given, kind)
