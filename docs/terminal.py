"""Records what a command shows on a terminal, as an animated SVG for the README.

    python docs/terminal.py docs/images/terminal.svg -- snakemake --cores 2

The command runs on a pseudo-terminal of 100 columns. What it takes is shown in half a minute, with the real times in
the pictures. `--at SECONDS` writes the one picture of that moment, `--keep FILE` keeps the recording and `--from FILE`
uses it again.
"""

from __future__ import annotations

import argparse
import json
import os
import pty
import select
import subprocess
import sys
import termios
import time
from html import escape
from pathlib import Path

import pyte

COLUMNS, ROWS = 100, 28
PICTURES, SHOWN = 60, 30.0  # of a recording: pictures, and s that they take
LAST = 6.0  # s for which the last picture stays
WIDTH, HEIGHT, MARGIN = 8.4, 18, 14  # pixels of a character and of the frame
COLOURS = {
    "default": "#d8dee9", "black": "#3b4252", "red": "#e06c75", "green": "#98c379", "brown": "#e5c07b",
    "yellow": "#e5c07b", "blue": "#61afef", "magenta": "#c678dd", "cyan": "#56b6c2", "white": "#e5e9f0",
}  # fmt: skip

Recording = list[tuple[float, str]]  # (s since the start, what the terminal got)


def record(command: list[str]) -> Recording:
    """Run a command on a pseudo-terminal.

    Args:
        command: its words.

    Returns:
        what it wrote, with the times.
    """
    main, side = pty.openpty()
    termios.tcsetwinsize(main, (ROWS, COLUMNS))
    env = {**os.environ, "TERM": "xterm-256color"}
    program = subprocess.Popen(command, stdin=side, stdout=side, stderr=side, env=env)
    os.close(side)
    start, recording, left = time.monotonic(), [], b""
    while True:
        if not select.select([main], [], [], 1.0)[0]:
            continue
        try:
            left += os.read(main, 65536)
        except OSError:  # the command has ended
            break
        text = left.decode(errors="ignore")
        left = left[len(text.encode()) :]
        recording.append((time.monotonic() - start, text))
    os.close(main)
    if program.wait():
        raise SystemExit(f"the command ended with status {program.returncode}: {recording[-1:]}")
    return recording


def picture(screen: pyte.Screen) -> str:
    """Draw a screen as lines of SVG.

    Args:
        screen: after some of a recording.

    Returns:
        `text` elements.
    """
    lines = []
    for row in range(ROWS):
        cells = [screen.buffer[row][column] for column in range(COLUMNS)]
        spans: list[tuple[str, str]] = []
        for cell in cells:
            colour = COLOURS.get(cell.fg, f"#{cell.fg}" if len(cell.fg) == 6 else COLOURS["default"])
            style = f'fill="{colour}"' + (' font-weight="bold"' if cell.bold else "")
            if spans and spans[-1][0] == style:
                spans[-1] = style, spans[-1][1] + cell.data
            else:
                spans.append((style, cell.data))
        while spans and not spans[-1][1].strip():
            spans.pop()
        if spans:
            y = MARGIN + HEIGHT * (row + 1) - 5
            text = "".join(f"<tspan {style}>{escape(words)}</tspan>" for style, words in spans)
            lines.append(f'<text x="{MARGIN}" y="{y}">{text}</text>')
    return "\n".join(lines)


def pictures(recording: Recording, moments: list[float]) -> list[str]:
    """Draw the screen at some moments.

    Args:
        recording: of `record`.
        moments: s since the start, ascending.

    Returns:
        a picture for each.
    """
    screen, found, k = pyte.Screen(COLUMNS, ROWS), [], 0
    stream = pyte.Stream(screen)
    for moment in moments:
        while k < len(recording) and recording[k][0] <= moment:
            stream.feed(recording[k][1])
            k += 1
        found.append(picture(screen))
    return found


def svg(shown: list[str]) -> str:
    """Put pictures into one SVG, one after the other and again from the start.

    Args:
        shown: the pictures.

    Returns:
        the SVG, with which a browser needs no script.
    """
    width, height = round(2 * MARGIN + WIDTH * COLUMNS), 2 * MARGIN + HEIGHT * ROWS
    once = len(shown) == 1
    total = SHOWN + LAST
    each = SHOWN / max(len(shown) - 1, 1)
    style = "text { white-space: pre; font: 14px 'DejaVu Sans Mono', Menlo, Consolas, monospace }"
    parts, k = [], 0
    while k < len(shown):
        same = k  # pictures that are equal are one
        while same + 1 < len(shown) and shown[same + 1] == shown[k]:
            same += 1
        begin, end = k * each / total, (1.0 if same + 1 == len(shown) else (same + 1) * each / total)
        times = f"0;{begin:.4f};{end:.4f}" if begin else f"0;{end:.4f}"
        values = ("hidden;visible;hidden" if begin else "visible;hidden") if end < 1 else "hidden;visible"
        times = f"0;{begin:.4f}" if end >= 1 else times
        animation = (
            f'<animate attributeName="visibility" calcMode="discrete" dur="{total:g}s" repeatCount="indefinite" '
            f'keyTimes="{times}" values="{values}"/>'
        )
        hidden = "" if once or same + 1 == len(shown) else ' visibility="hidden"'  # without animation, the end is shown
        parts.append(f"<g{hidden}>{'' if once else animation}\n{shown[k]}\n</g>")
        k = same + 1
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">\n'
        f'<style>{style}</style>\n<rect width="100%" height="100%" rx="8" fill="#232831"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def main() -> None:
    """Record a command, or read a recording, and write the SVG."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("svg", type=Path)
    parser.add_argument("--at", type=float, help="s since the start: one picture of that moment")
    parser.add_argument("--keep", type=Path, help="file for the recording")
    parser.add_argument("--from", dest="kept", type=Path, help="recording to use")
    words = sys.argv[1:]
    split = words.index("--") if "--" in words else len(words)
    given, command = parser.parse_args(words[:split]), words[split + 1 :]
    if given.kept:
        recording: Recording = [(t, text) for t, text in json.loads(given.kept.read_text())]
    elif command:
        recording = record(command)
    else:
        parser.error("name a command after --, or a recording with --from")
    if given.keep:
        given.keep.write_text(json.dumps(recording))
    end = recording[-1][0]
    moments = [given.at] if given.at is not None else [end * k / (PICTURES - 1) for k in range(PICTURES)]
    given.svg.write_text(svg(pictures(recording, moments)))


if __name__ == "__main__":
    main()
