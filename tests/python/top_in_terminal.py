"""Runs `landfall top` in a terminal of 120 columns, waits until it shows all the given words, types q, and checks that it
ends and gives the screen back.

usage: top_in_terminal.py EXECUTABLE URL WORD...
"""

import fcntl
import os
import pty
import select
import struct
import sys
import termios
import time

executable, url, *words = sys.argv[1:]
child, terminal = pty.fork()
if child == 0:
    os.environ["TERM"] = "xterm-256color"
    os.execv(executable, [executable, "top", "--url", url, "--interval", "0.2"])
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))

deadline = time.monotonic() + 60
seen = b""
asked_to_quit = False
while True:
    if not select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))[0]:
        sys.exit(f"in vain waited for {words} in {seen!r}")
    try:
        part = os.read(terminal, 65536)
    except OSError:
        break
    if not part:
        break
    seen += part
    if not asked_to_quit and all(word.encode() in seen for word in words):
        os.write(terminal, b"q")
        asked_to_quit = True

_, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == 0, seen
assert asked_to_quit, f"ended before it showed {words}: {seen!r}"
assert b"\x1b[?1049h" in seen and seen.rstrip().find(b"\x1b[?1049l") > 0, seen
