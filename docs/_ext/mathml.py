"""Equations as MathML, which browsers draw themselves: no script, no font and no network is needed."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

TAG = re.compile(r"\\tag\{(.*?)\}")
# What the equations use beyond docutils' LaTeX; its parentheses grow by themselves.
PLAINER = ((r"\Big(", "("), (r"\Big)", ")"), (r"\Big/", "/"), (r"\textstyle", ""))


def mathml(text: str, block: bool) -> str:
    """LaTeX as MathML.

    Args:
        text: LaTeX without dollars.
        block: whether it stands on a line of its own.

    Returns:
        HTML; the number of a tagged equation stands beside it.

    Raises:
        ExtensionError: there is no MathML for it.
    """
    tags = TAG.findall(text)
    plain = TAG.sub("", text)
    for longer, shorter in PLAINER:
        plain = plain.replace(longer, shorter)
    try:
        drawn = tex2mathml(plain, as_block=block)
    except MathError as error:
        raise ExtensionError(f"no MathML for {text!r}: {error}") from None
    if not block:
        return str(drawn)
    number = f'<span class="eqno">({tags[0]})</span>' if tags else ""
    return f'<div class="math">{drawn}{number}</div>\n'


def _inline(self: Any, node: nodes.math) -> None:
    self.body.append(mathml(node.astext(), block=False))
    raise nodes.SkipNode


def _block(self: Any, node: nodes.math_block) -> None:
    self.body.append(mathml(node.astext(), block=True))
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer `mathml`."""
    app.add_html_math_renderer("mathml", inline_renderers=(_inline, None), block_renderers=(_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
