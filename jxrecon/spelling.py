"""The nearest valid word to a misspelt one, for error messages."""

import difflib
from collections.abc import Iterable

SIMILARITY = 0.5  # difflib's ratio below which a word is no help (1 = equal)


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """The most similar of `choices`, None when none is similar.

    Dotted names are compared as a whole and by their last part, so that `optimizers.object.rate` and `object.rat` both
    lead to `optimisers.object.rate`.
    """
    choices = list(dict.fromkeys(choices))
    whole = difflib.get_close_matches(word, choices, 1, SIMILARITY)
    if whole or "." not in "".join(choices):
        return whole[0] if whole else None
    last = {choice.rpartition(".")[2]: choice for choice in reversed(choices)}
    tail = difflib.get_close_matches(word.rpartition(".")[2], last, 1, SIMILARITY)
    return last[tail[0]] if tail else None


def suggestion(word: str, choices: Iterable[str]) -> str:
    """ "; the nearest is `x`", or the list of all when none is near, or nothing when there are none."""
    choices = sorted(choices)
    near = nearest(word, choices)
    if near is not None:
        return f"; the nearest is `{near}`"
    return f"; expected one of {', '.join(f'`{c}`' for c in choices)}" if choices else ""
