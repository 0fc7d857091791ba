"""Runs a program in a pseudo-terminal and interprets its output as a screen."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

# CSI with its parameters and final byte, other escape sequences, line ends, text.
TOKENS = re.compile(r"\x1b\[([?0-9;]*)([A-Za-z])|\x1b[^\[]|\r|\n|[^\x1b\r\n]+|\x1b")


class Screen:
    """A minimal terminal: text, cursor movement, clearing, and the alternate screen."""

    def __init__(self, columns, rows):
        self.alternate = self.entered = self.hides_cursor = False
        self.resize(columns, rows)

    def resize(self, columns, rows):
        self.columns, self.rows, self.row, self.column = columns, rows, 0, 0
        self.clear()

    def clear(self):
        self.cells = [[" "] * self.columns for _ in range(self.rows)]

    def lines(self):
        return ["".join(cells).rstrip() for cells in self.cells]

    def feed(self, text):
        for token in TOKENS.finditer(text):
            parameters, final = token.groups()
            if final:
                self._control(parameters, final)
            elif token[0] == "\r":
                self.column = 0
            elif token[0] == "\n":
                self.row = min(self.row + 1, self.rows - 1)
            elif not token[0].startswith("\x1b"):
                self._write(token[0])

    def _control(self, parameters, final):
        if final == "H":
            row, column = (parameters or "1;1").split(";")
            self.row, self.column = int(row) - 1, int(column) - 1
        elif final == "J":
            self.clear()
        elif parameters == "?1049":
            self.alternate = final == "h"
            self.entered |= self.alternate
        elif parameters == "?25":
            self.hides_cursor = final == "l"

    def _write(self, text):
        for character in text:
            if self.row < self.rows and self.column < self.columns:
                self.cells[self.row][self.column] = character
            self.column += 1


class Terminal:
    """A pseudo-terminal and the command that runs in it. If it is `controlling`, the command is a
    shell as in a terminal window: the kernel sends it SIGHUP when the terminal is closed."""

    def __init__(self, command, columns=132, rows=40, controlling=False):
        self.screen = Screen(columns, rows)
        self.output = ""
        self.master, self.slave = self.ends = pty.openpty()
        self._size(columns, rows)
        self.before = termios.tcgetattr(self.slave)
        ends = dict(stdin=self.slave, stdout=self.slave, stderr=subprocess.PIPE)
        if controlling:
            ends["preexec_fn"] = lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        self.process = subprocess.Popen(command, start_new_session=True, **ends)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stderr.close()
        self.hang_up()

    def hang_up(self):
        """Closes the pseudo-terminal, as a terminal window does at its end."""
        ends, self.ends = self.ends, ()
        for end in ends:
            os.close(end)

    def type(self, text):
        os.write(self.master, text.encode())

    def resize(self, columns, rows):
        """Changes the size and sends SIGWINCH, as a terminal window does."""
        self.screen.resize(columns, rows)
        self._size(columns, rows)
        self.process.send_signal(signal.SIGWINCH)

    def read(self, wait_s=0.05):
        """Reads pending output. Returns False if there was none for `wait_s`."""
        readable, _, _ = select.select([self.master], [], [], wait_s)
        if readable:
            # A multi-byte character may be cut in two. Figures are ASCII, so they are not affected.
            text = os.read(self.master, 65536).decode(errors="replace")
            self.output += text
            self.screen.feed(text)
        return bool(readable)

    def until(self, condition, timeout_s, what):
        """Returns the first true value of `condition(lines)`, or raises RuntimeError."""
        deadline = time.monotonic() + timeout_s
        while True:
            self.read()
            if found := condition(self.screen.lines()):
                return found
            if time.monotonic() > deadline or self.process.poll() is not None:
                seen = "\n".join(self.screen.lines()).rstrip()
                raise RuntimeError(f"not within {timeout_s} s: {what}; the screen:\n{seen}")

    def end(self, timeout_s=10):
        """Waits until the program ends. Returns its exit code and its output on stderr."""
        code = self.process.wait(timeout_s)
        while self.read():
            pass
        return code, self.process.stderr.read().decode()

    def is_restored(self):
        """Returns whether the terminal has its original settings and shows the main screen and the
        cursor."""
        is_shown = not self.screen.alternate and not self.screen.hides_cursor
        return is_shown and termios.tcgetattr(self.slave) == self.before

    def _size(self, columns, rows):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
