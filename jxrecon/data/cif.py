"""The part of CIF 1.1 that data files use: blocks of items and loops, as texts.

A text in quotes ends at a quote before white space; one between lines that begin with `;` runs over lines. Values stay texts:
`19.0(3)` is a number with its standard uncertainty in the last digits, `.` and `?` are no values.
https://www.iucr.org/resources/cif/spec/version1.1
"""

import dataclasses
import re

import numpy as np

from ..errors import InputError

# What is opened and not closed takes the rest, so that no text is searched twice (a hostile one for hours).
_TOKEN = re.compile(
    r"^;(?P<text>.*?)^;(?=\s|\Z)|'(?P<single>[^\n]*?)'(?=\s|\Z)|\"(?P<double>[^\n]*?)\"(?=\s|\Z)"
    r"|(?P<open>^;.*\Z|['\"][^\n]*)|#[^\n]*|(?P<bare>\S+)",
    re.MULTILINE | re.DOTALL,
)
_NUMBER = re.compile(r"([-+]?(?:[0-9]+\.?([0-9]*)|\.([0-9]+)))(?:\(([0-9]+)\))?([eE][-+]?[0-9]+)?$")


@dataclasses.dataclass(frozen=True)
class Block:
    """items: tag -> text; loops: each tag -> the texts of its column. Tags in lower case."""

    name: str
    items: dict[str, str]
    loops: list[dict[str, list[str]]]

    def loop_of(self, tag: str) -> dict[str, list[str]] | None:
        return next((loop for loop in self.loops if tag in loop), None)

    def value(self, tag: str) -> str | None:
        """The text of an item, or the first of a loop's column; None where there is none."""
        if tag in self.items:
            return self.items[tag]
        loop = self.loop_of(tag)
        return loop[tag][0] if loop and loop[tag] else None


def _tokens(text: str, path: str) -> list[tuple[bool, str, int]]:
    """(whether it stands bare, text, position)."""
    found = []
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        if kind == "open":
            line = text.count("\n", 0, match.start()) + 1
            raise InputError(
                f"{path}: line {line}: `{match[0][:20].strip()}` is opened and not closed; is the file cut short?"
            )
        if kind is not None:
            found.append(
                (kind == "bare", match[kind].strip() if kind == "text" else match[kind], match.start())
            )
    return found


def parse_cif(text: str, path: str) -> list[Block]:
    """All blocks. `InputError` for a loop or a text that is cut short."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    tokens, blocks = _tokens(text, path), []
    k = 0

    def line(position: int) -> str:
        return f"{path}: line {text.count(chr(10), 0, position) + 1}"

    while k < len(tokens):
        bare, word, position = tokens[k]
        low = word.lower()
        if bare and low.startswith("data_"):
            blocks.append(Block(word[5:], {}, []))
            k += 1
        elif bare and low in ("loop_", "global_", "stop_") or bare and word.startswith("_"):
            if not blocks:
                raise InputError(
                    f"{line(position)}: `{word[:40]}` stands before the first `data_` block; expected CIF."
                )
            if low == "loop_":
                k = _loop(tokens, k + 1, blocks[-1], line)
            elif word.startswith("_"):
                k = _item(tokens, k, blocks[-1], line)
            else:
                k += 1
        elif bare and low.startswith("save_"):
            k += 1
        else:
            cut = "a text field that is not closed" if word.startswith(";") else f"`{word[:40]}`"
            raise InputError(
                f"{line(position)}: {cut} stands where CIF expects a tag; is the file cut short?"
            )
    return blocks


def _is_value(token: tuple[bool, str, int]) -> bool:
    bare, word, _ = token
    return not bare or not (
        word.startswith("_") or word.lower().startswith(("data_", "loop_", "save_", "global_"))
    )


def _item(tokens: list, k: int, block: Block, line) -> int:
    if k + 1 >= len(tokens) or not _is_value(tokens[k + 1]):
        raise InputError(f"{line(tokens[k][2])}: `{tokens[k][1]}` has no value; is the file cut short?")
    block.items[tokens[k][1].lower()] = tokens[k + 1][1]
    return k + 2


def _loop(tokens: list, k: int, block: Block, line) -> int:
    tags, start = [], k
    while k < len(tokens) and tokens[k][0] and tokens[k][1].startswith("_"):
        tags.append(tokens[k][1].lower())
        k += 1
    first = k
    while k < len(tokens) and _is_value(tokens[k]):
        k += 1
    count = k - first
    if not tags or count % len(tags):
        where = line(tokens[min(start, len(tokens) - 1)][2])
        raise InputError(
            f"{where}: a loop of {len(tags)} columns with {count} values, which makes no whole rows; is the file cut short?"
        )
    words = [word for _, word, _ in tokens[first:k]]
    block.loops.append({tag: words[i :: len(tags)] for i, tag in enumerate(tags)})
    return k


def number(text: str) -> tuple[float, float]:
    """(value, standard uncertainty), NaN where there is none."""
    match = _NUMBER.match(text)
    if match is None:
        return float("nan"), float("nan")
    mantissa, after, only, uncertain, exponent = match.groups()
    scale = float(f"1{exponent or 'e0'}")
    digits = len(after or only or "")
    deviation = float(uncertain) * 10.0**-digits * scale if uncertain else float("nan")
    return float(mantissa) * scale, deviation


def column(loop: dict[str, list[str]], tag: str) -> np.ndarray:
    """(row, 2) values and uncertainties of a loop's column."""
    return np.array([number(text) for text in loop[tag]], np.float64).reshape(-1, 2)
