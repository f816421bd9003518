"""A small grid on a pseudo-terminal."""

import os
import pty
import re
import select
import subprocess
import termios
import time

from checkout import SMALL, Checkout
from conftest import PATIENCE
from warm_python import NOT_RENDERED


def on_a_terminal(command, folder, width=80, **environment) -> tuple[int, str]:
    """The exit status of a command and what a terminal gets of it."""
    main, side = pty.openpty()
    termios.tcsetwinsize(main, (24, width))
    env = {k: v for k, v in os.environ.items() if k not in ("MLFLOW_TRACKING_URI", "NO_COLOR", "COLUMNS", "LINES")}
    env |= {"TERM": "xterm-256color", **NOT_RENDERED, **environment}
    program = subprocess.Popen(command, cwd=folder, stdin=side, stdout=side, stderr=side, env=env)
    os.close(side)
    read, end = b"", time.monotonic() + PATIENCE
    try:
        while time.monotonic() < end:
            if select.select([main], [], [], 1)[0]:
                try:
                    read += os.read(main, 65536)
                except OSError:  # the program has ended
                    break
        return program.wait(PATIENCE), read.decode()
    finally:
        program.kill()
        program.wait()
        os.close(main)


def test_a_terminal_shows_the_grid_and_is_left_clean(tmp_path, python):
    checkout = Checkout(tmp_path, python)
    checkout.configure(grid={"seed": [0]}, task_settings=SMALL["task_settings"]["go-nogo"], convert=False,
                       figures={"grid_points": 0}, panels={})  # fmt: skip
    command = [python, "-m", "snakemake", "--cores", "2"]
    status, printed = on_a_terminal(command, tmp_path)
    assert status == 0, printed
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", printed).replace("\r", "")
    assert "small: 1 network: go-nogo, 12 units, time constants 20 to 100 ms, seed 0\n" in plain
    assert "0 of 1 network done; 6 jobs to do: training 1, scoring 1, exporting 1, drawing figures 1, others 2." in (
        plain.replace("\n  ", " ")
    )
    assert "━" in printed and "\x1b[2K" in printed  # a bar, and lines that are drawn again
    assert printed.rindex("\x1b[?25h") > printed.rindex("\x1b[?25l")  # the cursor is back
    end = printed[printed.rindex("\x1b[?25h") :]
    assert "1 network: 1 not trained." in end and "Snakemake's log: .snakemake/log/" in end and "\x1b[2K" in end
    assert "Select jobs" not in plain and "rule train" not in plain
    # Without colours, and with nothing to do.
    status, printed = on_a_terminal(command, tmp_path, NO_COLOR="1")
    assert status == 0 and "Nothing to be done: 1 network done." in printed and "\x1b[3" not in printed
