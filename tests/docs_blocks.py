"""The pages of the documentation, and the blocks of code in them."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
GENERATED = ("gallery", "reference/api")  # by docs/_ext, when the site is built
FENCE = re.compile(r"^ *(```|~~~)([\w-]*|\{[^}]*\}.*) *$")  # longer ones hold text and blocks again
COMMANDS = ("ratecore", "snakemake", "make", "python", "mlflow")


@dataclass(frozen=True)
class Block:
    page: str  # relative to the repository
    number: int  # from 0, among the blocks of its kind on the page
    kind: str  # python, yaml, bash, ... or '' where the block does not say
    text: str

    def __str__(self):
        return f"{self.page}-{self.kind}-{self.number}"


def pages() -> list[Path]:
    """The Markdown pages of the site, those that are made when it is built left out."""
    found = (path for path in DOCS.rglob("*.md") if not path.is_relative_to(DOCS / "_ext"))
    return sorted(path for path in found if not any(path.is_relative_to(DOCS / folder) for folder in GENERATED))


def blocks(page: Path) -> list[Block]:
    """Fenced blocks without those that are directives, whose content is text again."""
    found, counts, fence, lines = [], {}, None, []
    for line in page.read_text().splitlines():
        match = FENCE.match(line)
        if fence is None and match:
            fence, kind, lines = match[1], match[2], []
        elif fence is not None and line.strip() == fence:
            number = counts[kind] = counts.get(kind, -1) + 1
            found.append(Block(page.relative_to(ROOT).as_posix(), number, kind, "\n".join(lines) + "\n"))
            fence = None
        elif fence is not None:
            lines.append(line)
    assert fence is None, f"{page}: a block does not end"
    return found


def all_blocks(*kinds: str) -> list[Block]:
    """Blocks of these kinds, of all pages and of the explanation of the configuration."""
    return [block for page in [*pages(), ROOT / "config/README.md"] for block in blocks(page) if block.kind in kinds]


def commands(text: str) -> list[list[str]]:
    """The words of each command of ratecore, snakemake, make or python in lines of a shell."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line.strip(), posix=True, punctuation_chars="|&;<>()")
        lexer.whitespace_split, lexer.commenters = True, "#"
        command = []
        for word in [*lexer, ";"]:
            if word and set(word) <= set("|&;<>()"):
                found += [command] if command else []
                command = []
            else:
                command.append(word)
    stripped = [command[next((k for k, w in enumerate(command) if "=" not in w), 0) :] for command in found]
    return [[Path(c[0]).name, *c[1:]] for c in stripped if Path(c[0]).name in COMMANDS]


def lines_of_commands(page: Path) -> list[str]:
    """Commands outside of blocks that say what they are: in blocks without a name and in indented lines."""
    plain = "\n".join(block.text for block in blocks(page) if block.kind == "")
    pattern = rf"^(?: {{4,}}|)((?:{'|'.join(COMMANDS)}) .*)$"
    indented = re.findall(pattern.replace("{4,}|)", "{4,})"), page.read_text(), re.M)
    return [*re.findall(pattern, plain, re.M), *indented]
