"""Which crystals does a pattern hold? Alternatives, of one phase or of several, judged on data that their fits did not see.

A model with more reflections fits whatever it is given better, noise included. Of every pattern a part is kept back, and what the
fit of the rest predicts for it is judged:

    chi^2 = sum_held (y - y_predicted)^2 / sigma^2

thinned   every count goes to the fit with probability p, else it is kept back: both parts are independent Poisson counts of p and
          1 - p times the same mean, so that nothing leaks. Draws are repeated. For counts.
blocks    runs of neighbouring channels are kept back, each channel once in all folds. For patterns that are no counts (voxels of
          a reconstruction, integrated with splitting); a block should be longer than the noise is correlated and no wider than
          half a reflection, which else is not seen at all.

How far one alternative lies behind another is the difference of their chi^2; for given predictions a and b, the noise of what was
kept back makes the error

    2 (sum_held (a - b)^2 / sigma^2)^(1/2),      times chi per channel of the better one where that is above 1.

Of those that lie within one error of the least chi^2, the one with the fewest unknowns is chosen: a phase too many costs about as
much as it wins, so that the least alone would take it every other time.

A cubic spinel is the special case c/a = 2 sqrt(6) of a layered oxide as far as the reflections go that both have; only the other
ones, (220) of the spinel before all, and the unsplit (440) can tell.

Thinning: Neufeld et al., J. Mach. Learn. Res. 25, 57 (2024), arXiv 2301.07276. Cross-validation: Stone, J. R. Stat. Soc. B 36,
111 (1974), doi 10.1111/j.2517-6161.1974.tb00994.x; the rule: Breiman et al., Classification and Regression Trees
(1984).
"""

import dataclasses
from collections.abc import Iterator, Mapping

import jax
import numpy as np
from jaxtyping import Float, Int

from ..forward.background import chebyshev
from .whole_pattern import WholePattern
from .whole_pattern_fit import Columns, Fitted, fitted_pattern, found_displacement

KEPT = 0.7  # p of the file's head
TOLERATED = 1.0  # errors
UNSEEN = 1e6  # times its sigma, a channel has no weight
WAYS = ("thinned", "blocks")
Channels = Float[np.ndarray, " channel"]


@dataclasses.dataclass(frozen=True)
class Split:
    """What a fit sees, and what its prediction times `scale` is compared with; sigma is infinite where nothing is compared."""

    measured: Channels
    sigma: Channels
    scale: float
    held: Channels
    held_sigma: Channels


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Per alternative and pattern; held_out: chi^2 per channel kept back, behind: its sum above the least."""

    names: tuple[str, ...]
    unknowns: tuple[int, ...]
    fits: tuple[tuple[Fitted, ...], ...]
    held_out: Float[np.ndarray, "alternative pattern"]
    behind: Float[np.ndarray, "alternative pattern"]
    behind_error: Float[np.ndarray, "alternative pattern"]

    @property
    def chosen(self) -> Int[np.ndarray, " pattern"]:
        """Of those within TOLERATED errors of the least chi^2, the one with the fewest unknowns."""
        near = self.behind <= TOLERATED * self.behind_error
        order = np.argsort(self.unknowns, kind="stable")
        return order[np.argmax(near[order], axis=0)]

    def ahead(self) -> Float[np.ndarray, " pattern"]:
        """By how many errors the simpler alternatives than the chosen one are refuted; infinite where there is none."""
        size = np.asarray(self.unknowns)
        simpler = size[:, None] < size[self.chosen]
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(simpler, self.behind / self.behind_error, np.inf)
        return np.min(ratio, axis=0)


def thinned(counts: Channels, sigma: Channels, draws: int, generator: np.random.Generator) -> Iterator[Split]:
    """Counts kept with the probability KEPT."""
    if np.any(counts < 0) or np.any(counts != np.round(counts)):
        raise ValueError("the pattern holds no whole counts, which thinning needs; take `blocks`.")
    for _ in range(draws):
        kept = generator.binomial(counts.astype(np.int64), KEPT).astype(float)
        scale = (1 - KEPT) / KEPT
        yield Split(kept, np.sqrt(KEPT) * sigma, scale, counts - kept, np.sqrt(1 - KEPT) * sigma)


def blocks(
    measured: Channels, sigma: Channels, folds: int, length: int, generator: np.random.Generator
) -> Iterator[Split]:
    """Blocks of channels, in random order to the folds."""
    count = -(-len(measured) // length)
    if not 1 < folds <= count:
        raise ValueError(f"`folds` is {folds}; expected 2 to {count}, the number of blocks.")
    fold = generator.permutation(np.arange(count) % folds)[np.arange(len(measured)) // length]
    for k in range(folds):
        held = fold == k
        yield Split(
            measured, np.where(held, UNSEEN, 1.0) * sigma, 1.0, measured, np.where(held, sigma, np.inf)
        )


def _of_model(model, free, start, patterns, sigma, splits, basis, search_deg) -> tuple[list[Fitted], list]:
    """(fit of every whole pattern, (split, channel) chi of what was kept back of it)."""
    mean, mean_sigma = patterns.mean(axis=0), np.sqrt(np.mean(sigma**2, axis=0) / len(patterns))
    fits, chis = [], []
    with jax.enable_x64(True):
        if search_deg:
            moved = found_displacement(model, mean, mean_sigma, start, basis, search_deg)
            start = start | {"displacement": start["displacement"] + moved}
        columns = Columns(model, free, start, basis)
        begin = columns.named(columns.fit(start, mean, mean_sigma, 100, 1e-6).parameters.tolist())
        for y, s, parts in zip(patterns, sigma, splits):
            whole = fitted_pattern(model, columns, columns.fit(begin, y, s, 60, 1e-7), y, s)
            fits.append(whole)
            chi = []
            for part in parts:
                fit = columns.fit(whole.parameters, part.measured, part.sigma, 40, 1e-6)
                predicted = part.measured - fit.residual * part.sigma
                chi.append((part.held - part.scale * predicted) / part.held_sigma)
            chis.append(np.stack(chi))
    return fits, chis


def compare(
    models: Mapping[str, WholePattern],
    patterns: Float[np.ndarray, "pattern channel"],
    sigma: Float[np.ndarray, "pattern channel"],
    free: Mapping[str, tuple[str, ...]],
    *,
    fwhm_deg: float,
    way: str = "thinned",
    folds: int = 5,
    block: int = 5,
    background_terms: int = 6,
    search_deg: float = 0.0,
    seed: int = 0,
) -> Comparison:
    """Every alternative on every pattern, from the fit of their mean on; all alternatives see the same splits."""
    if way not in WAYS:
        raise ValueError(f"`way` is {way!r}; expected one of {', '.join(WAYS)}.")
    generator = np.random.default_rng(seed)
    splits = [
        list(thinned(y, s, folds, generator) if way == "thinned" else blocks(y, s, folds, block, generator))
        for y, s in zip(patterns, sigma)
    ]
    basis = chebyshev(next(iter(models.values())).two_theta_deg, background_terms).T
    found = [
        _of_model(model, free[name], model.start(fwhm_deg), patterns, sigma, splits, basis, search_deg)
        for name, model in models.items()
    ]
    chi = np.stack([chis for _, chis in found])  # (alternative, pattern, split, channel)
    # Draws repeat the same channels: their mean; folds share them out: their sum.
    over = np.mean if way == "thinned" else np.sum
    square = over(chi**2, axis=2)
    best = np.argmin(square.sum(axis=-1), axis=0)
    apart = over((chi - np.take_along_axis(chi, best[None, :, None, None], axis=0)) ** 2, axis=2).sum(axis=-1)
    total, least = square.sum(axis=-1), square.mean(axis=-1).min(axis=0)
    return Comparison(
        names=tuple(models),
        unknowns=tuple(len(free[name]) + model.scales for name, model in models.items()),
        fits=tuple(tuple(fits) for fits, _ in found),
        held_out=square.mean(axis=-1),
        behind=total - total.min(axis=0),
        behind_error=2 * np.sqrt(apart * np.maximum(least, 1)),
    )
