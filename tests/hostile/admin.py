"""Attacks on the admin port: scrapes get through, and unfinished bodies take little memory."""

from attackers import Attackers
from bounds import ADMIN_BODIES, ADMIN_CONNECTIONS, OTHER_FLOOR_MS, SHORT_ATTACK_S
from publishers import Memory
from session import ATTACK_CORE, Session, judge

# The kind of the attackers, their number, and the token of the server, which they do not know.
ATTACKS = {
    "idle connections to the admin port": ("idle", ADMIN_CONNECTIONS, None),
    "unfinished bodies": ("bodies", ADMIN_BODIES, None),
    "unfinished bodies without the token": ("bodies", ADMIN_BODIES, "secret"),
}


def attack(given, name):
    kind, count, token = ATTACKS[name]
    with Session(given, name, token=token) as session:
        session.measure_before()
        memory = Memory(session)
        session.begin()
        with Attackers(session.admin, kind, count, ATTACK_CORE, everyone=False) as attackers:
            attackers.start()
            memory.observe(SHORT_ATTACK_S)
            _, ends = attackers.stop()
        figures = session.settle()
        note, found = memory.judged(name)
    note = f"{count} attackers, ended {ends}, {note}"
    return judge(figures, session.before, note, floor_ms=OTHER_FLOOR_MS, found=found)


def main(given, report):
    for name in ATTACKS:
        report.check(name, attack, given, name)
