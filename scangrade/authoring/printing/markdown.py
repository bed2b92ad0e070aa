"""Markdown with formulas, as exam files have it, becomes Typst.

CommonMark with tables, formulas between dollar signs (TeX's or Typst's), and images with their width in braces, as Pandoc writes them:
``![](plot.svg){width=60mm}``. Text goes into string literals, so that nothing that people write is taken for a command.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

import tylax
from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.attrs import attrs_plugin
from mdit_py_plugins.dollarmath import dollarmath_plugin

_ENGLISH: Final = "\u201c\u201d\u2018\u2019"
_QUOTES: Final = {
    "en": _ENGLISH,
    "nl": _ENGLISH,
    "de": "\u201e\u201c\u201a\u2018",
    "fr": ["\u00ab\u00a0", "\u00a0\u00bb", "\u2039\u00a0", "\u00a0\u203a"],
    "pt": _ENGLISH,
}
_LENGTH: Final = re.compile(r"[0-9]+(\.[0-9]+)?(mm|cm|%)")


class MarkdownError(ValueError):
    """Something in a text that cannot be printed; the message is for people."""


def as_typst(text: str, *, formulas: str = "tex", language: str = "en") -> str:
    """Typst code for a text in Markdown.

    Parameters
    ----------
    text : str
    formulas : {"tex", "typst"}
    language : str
        Whose quotation marks straight ones become.

    Returns
    -------
    str
        Markup, to be put between square brackets.

    Raises
    ------
    MarkdownError
        If it has something in it that is not printed: HTML, an image from the network.
    """
    return "".join(_blocks(_parser(language).parse(text), formulas)).strip()


@lru_cache(maxsize=8)
def _parser(language: str) -> MarkdownIt:
    # of the typographer only quotes: its replacements would make "(c)" a copyright sign, and (c) is an alternative
    options = {"typographer": True, "quotes": _QUOTES[language]}
    parser = MarkdownIt("commonmark", options).enable(["table", "smartquotes"])
    return parser.use(dollarmath_plugin, allow_space=False, allow_digits=False, double_inline=True).use(
        attrs_plugin, after=("image",)
    )


def _literal(text: str) -> str:
    """A text as it stands; characters that steer machines are none of it."""
    plain = "".join(
        character if character.isprintable() or character in "\n\t\u00ad\u200b\u200d" else " " for character in text
    )
    return json.dumps(plain, ensure_ascii=False).replace("\\b", " ").replace("\\f", " ")


def _text(text: str) -> str:
    return f"#{_literal(text)};" if text else ""


def _formula(source: str, formulas: str, *, block: bool) -> str:
    code = tylax.latex_to_typst(source) if formulas == "tex" else source
    space = " " if block else ""
    return f"${space}{code.strip()}{space}$"


_OPEN: Final = {
    "bullet_list_open": "#list(",
    "list_item_open": "[",
    "em_open": "#emph[",
    "strong_open": "#strong[",
    "blockquote_open": "#quote(block: true)[",
    "link_open": "",
    "thead_open": "",
    "tbody_open": "",
    "tr_open": "",
    "th_open": "[#strong[",
    "td_open": "[",
    "paragraph_open": "",
}
_CLOSE: Final = {
    "bullet_list_close": ")\n\n",
    "ordered_list_close": ")\n\n",
    "list_item_close": "],",
    "em_close": "];",
    "strong_close": "];",
    "blockquote_close": "]\n\n",
    "heading_close": "]\n\n",
    "link_close": "",
    "thead_close": "",
    "tbody_close": "",
    "tr_close": "",
    "th_close": "]],",
    "td_close": "],",
    "table_close": "))\n\n",
    "paragraph_close": "\n\n",
}


def _blocks(tokens: Sequence[Token], formulas: str) -> Iterator[str]:
    for place, one in enumerate(tokens):
        match one.type:
            case "inline":
                yield from _inline(one.children or [], formulas)
            case "heading_open":
                yield "#strong["
            case "ordered_list_open":
                start = one.attrs.get("start", 1)
                yield f"#enum(start: {int(start)}, "
            case "table_open":
                columns = sum(token.type == "th_open" for token in tokens[place : _end_of_row(tokens, place)])
                yield f"#align(center, table(columns: {columns}, stroke: 0.5pt + luma(120), inset: 5pt, "
            case "fence" | "code_block":
                language = f", lang: {_literal(one.info.split()[0])}" if one.info.strip() else ""
                yield f"#raw(block: true{language}, {_literal(one.content.rstrip(chr(10)))})\n\n"
            case "math_block" | "math_block_label":
                yield f"{_formula(one.content, formulas, block=True)}\n\n"
            case "hr":
                yield "#line(length: 100%, stroke: 0.5pt + luma(120))\n\n"
            case "paragraph_close" if one.hidden:  # of a list whose items stand close
                yield "\n"
            case "html_block":
                raise MarkdownError(f"HTML is not printed: {one.content.strip()[:40]!r}. Write it in Markdown.")
            case _:
                yield _OPEN.get(one.type, _CLOSE.get(one.type, ""))


def _end_of_row(tokens: Sequence[Token], place: int) -> int:
    return next(number for number in range(place, len(tokens)) if tokens[number].type == "tr_close")


def _inline(tokens: Sequence[Token], formulas: str) -> Iterator[str]:
    for one in tokens:
        match one.type:
            case "text":
                yield _text(one.content)
            case "softbreak":
                yield "\n"
            case "hardbreak":
                yield "#linebreak();"
            case "code_inline":
                yield f"#raw({_literal(one.content)});"
            case "math_inline":
                yield _formula(one.content, formulas, block=False)
            case "math_inline_double":
                yield _formula(one.content, formulas, block=True)
            case "image":
                yield _image(one)
            case "html_inline":
                raise MarkdownError(f"HTML is not printed: {one.content[:40]!r}. Write it in Markdown.")
            case _:
                yield _OPEN.get(one.type, _CLOSE.get(one.type, ""))


def _image(one: Token) -> str:
    path, width = str(one.attrs.get("src", "")), str(one.attrs.get("width", ""))
    if "://" in path or path.startswith(("data:", "/", "..")) or not path:
        raise MarkdownError(f"the image {path!r} is not in the folder of the exam file. Put it there, and name it from there.")
    if width and not _LENGTH.fullmatch(width):
        raise MarkdownError(
            f"the width {width!r} of image {path!r} is no length. Write it as {{width=60mm}} or {{width=50%}}."
        )
    size = f", width: {width}" if width else ""
    return f"#box(image({_literal('/' + path)}{size}));"
