"""Which voxels of a particle are pore: by a threshold, by Otsu's, or as a person showed it in a few places.

The trained way: every voxel is described by features on several scales sigma (the smoothed density, the length of its gradient,
the eigenvalues of its Hessian; scikit-image's multiscale_basic_features). Somebody marks some voxels of each class, 0 being no
mark; with features f, scaled to mean 0 and variance 1 over the marked voxels, and a weight vector for each class,

    p(k | f) = exp(w_k . f) / sum_j exp(w_j . f),      w minimises  -sum log p(mark | f) + ridge/2 |w|^2

by Newton's method. The probabilities are calibrated: their sum is the expected number of voxels of a class, a less biased
porosity than a count. For a map of labels the cut is where, by the probabilities themselves, the expected Dice coefficient

    2 sum_(p > cut) p / (sum p + sum_(p > cut) 1)

is largest, which is below one half where pores are hard to see.

Arganda-Carreras et al., Bioinformatics 33, 2424 (2017), doi 10.1093/bioinformatics/btx180 (Weka segmentation: the same plan);
Otsu, IEEE Trans. Syst. Man Cybern. 9, 62 (1979), doi 10.1109/TSMC.1979.4310076.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Integer, Real

from ..errors import InputError

PORE = 1  # the class of pores, by convention the first
SCALES = (0.5, 4.0, 4)  # smallest and largest sigma in voxels, and how many
SLAB = 2**21  # voxels whose features are in memory at once
RIDGE, STEPS, PRECISION = 1.0, 50, 1e-3
CUTS = np.linspace(0.05, 0.95, 91)


def below(
    density: Real[np.ndarray, "z y x"], mask: Bool[np.ndarray, "z y x"], threshold: float
) -> Bool[np.ndarray, "z y x"]:
    """Voxels of the particle that are less dense than the threshold."""
    return mask & (density < threshold)


def otsu_level(density: Real[np.ndarray, "z y x"], mask: Bool[np.ndarray, "z y x"]) -> float:
    """The threshold that parts the densities of the particle into two classes of least variance.

    Where they have one peak (few pores, much noise) it lies in the middle of the solid: not for pristine particles.
    """
    from skimage.filters import threshold_otsu

    values = density[mask]
    values = values[np.isfinite(values)]
    if values.size == 0 or values.min() == values.max():
        raise InputError("the particle holds one density; Otsu's threshold wants two classes.")
    return float(threshold_otsu(values))


@dataclasses.dataclass(frozen=True)
class Classifier:
    """weight: of the features and of 1, for each class but the last; mean, scale: of the features; scales: as `SCALES`."""

    weight: Float[np.ndarray, "class feature"]
    mean: Float[np.ndarray, " _"]
    scale: Float[np.ndarray, " _"]
    scales: tuple[float, float, int]

    def probability(self, density: Real[np.ndarray, "z y x"], kind: int = PORE) -> Float[np.ndarray, "z y x"]:
        """Of one class (1, 2, ...) in each voxel."""
        z, y, x = density.shape
        step, margin = max(1, SLAB // (y * x)), int(np.ceil(4 * self.scales[1])) + 2
        found = np.empty((z, y, x), np.float32)
        for start in range(0, z, step):
            low, high = max(0, start - margin), min(z, start + step + margin)
            inner = features(density[low:high], self.scales)[start - low : start - low + step]
            chance = _chances(jnp.asarray(self.weight), jnp.asarray(self._scaled(inner)))
            found[start : start + step] = np.asarray(chance[:, kind - 1]).reshape(inner.shape[:3])
        return found

    def _scaled(self, values: np.ndarray) -> np.ndarray:
        flat = (values.reshape(-1, values.shape[-1]) - self.mean) / self.scale
        return np.column_stack([flat, np.ones(len(flat))]).astype(np.float32)


def features(
    density: Real[np.ndarray, "z y x"], scales: tuple[float, float, int] = SCALES
) -> Float[np.ndarray, "z y x feature"]:
    """Five for each scale, float32."""
    from skimage.feature import multiscale_basic_features

    low, high, count = scales
    found = multiscale_basic_features(
        np.asarray(density, np.float32),
        sigma_min=low,
        sigma_max=high,  # pyright: ignore[reportArgumentType]
        num_sigma=count,
    )
    return np.asarray(found, np.float32)


def _chances(weight: Float[Array, "k f"], values: Float[Array, "n f"]) -> Float[Array, "n m"]:
    """Of all classes; the last one's weights are zero."""
    logits = values @ weight.T
    return jax.nn.softmax(jnp.concatenate([logits, jnp.zeros((len(values), 1), logits.dtype)], axis=1))


@jax.jit
def _model(
    weight: Float[Array, "k f"], values: Float[Array, "n f"], mark: Int[Array, " n"], ridge: Float[Array, ""]
) -> tuple[Float[Array, ""], Float[Array, "k f"], Float[Array, "k f k f"]]:
    """Loss, slope and curvature; the constant is not held back.

    d^2/dw_j dw_k = sum_n (delta_jk p_j - p_j p_k) f f^T
    """
    count, width = weight.shape
    chance = _chances(weight, values)
    own = jnp.take_along_axis(chance, mark[:, None], axis=1)[:, 0]
    held = ridge * (jnp.arange(width) < width - 1)
    loss = jnp.sum(held * weight**2) / 2 - jnp.sum(jnp.log(jnp.maximum(own, 1e-30)))
    free = chance[:, :count]
    slope = (free - jax.nn.one_hot(mark, count)).T @ values + held * weight
    both = jnp.eye(count) * free[:, :, None] - free[:, :, None] * free[:, None]
    curve = jnp.einsum("njk,nf,ng->jfkg", both, values, values)
    return loss, slope, curve + jnp.einsum("jk,fg->jfkg", jnp.eye(count), jnp.diag(held))


def _newton(
    values: Float[Array, "n f"], mark: Int[Array, " n"], classes: int, ridge: float
) -> Float[np.ndarray, "k f"]:
    """Weights of all classes but the last: Newton's steps, halved until the loss falls."""
    weight = jnp.zeros((classes - 1, values.shape[1]), jnp.float32)
    strength = jnp.asarray(ridge, jnp.float32)
    loss, slope, curve = _model(weight, values, mark, strength)
    for _ in range(STEPS):
        size = weight.size
        square = np.asarray(curve, np.float64).reshape(size, size) + 1e-6 * np.eye(size)
        move = -np.linalg.solve(square, np.asarray(slope, np.float64).ravel()).reshape(weight.shape)
        for share in 0.5 ** np.arange(8):
            tried = weight + jnp.asarray(share * move, jnp.float32)
            found = _model(tried, values, mark, strength)
            if float(found[0]) < float(loss):
                break
        else:
            break  # nothing falls any more: rounding
        weight, (loss, slope, curve) = tried, found
        if share * np.abs(move).max() < PRECISION:
            break
    return np.asarray(weight, np.float64)


def train(
    density: Real[np.ndarray, "z y x"],
    marks: Integer[np.ndarray, "_ _ _"],
    scales: tuple[float, float, int] = SCALES,
    ridge: float | int = RIDGE,
) -> Classifier:
    """From voxels that somebody marked: 1 pore, 2 solid, further classes as one likes, 0 no mark. Raises InputError."""
    if marks.shape != density.shape:
        raise InputError(f"the marks have the shape {marks.shape}; the volume has {density.shape}.")
    classes = np.unique(marks[marks != 0])
    if len(classes) < 2 or not np.array_equal(classes, np.arange(1, len(classes) + 1)):
        raise InputError(
            f"the marks hold the classes {classes.tolist()}; expected 1 (pore), 2 (solid), ... without a gap."
        )
    where = (marks != 0) & np.isfinite(density)
    values = features(np.where(np.isfinite(density), density, 0), scales)[where].astype(np.float64)
    mean, scale = values.mean(axis=0), np.maximum(values.std(axis=0), 1e-9)
    scaled = np.column_stack([(values - mean) / scale, np.ones(len(values))])
    weight = _newton(
        jnp.asarray(scaled, jnp.float32), jnp.asarray(marks[where] - 1, jnp.int32), len(classes), float(ridge)
    )
    return Classifier(weight, mean, scale, scales)


def best_cut(probability: Float[np.ndarray, "*voxel"]) -> float:
    """The probability above which the expected Dice coefficient is largest."""
    flat = np.asarray(probability, np.float64).ravel()
    counts, edges = np.histogram(flat, CUTS.size * 10, (0.0, 1.0))
    sums, _ = np.histogram(flat, CUTS.size * 10, (0.0, 1.0), weights=flat)
    above, mass = np.cumsum(counts[::-1])[::-1], np.cumsum(sums[::-1])[::-1]
    expected = 2 * mass / np.maximum(flat.sum() + above, 1e-30)
    allowed = (edges[:-1] >= CUTS[0]) & (edges[:-1] <= CUTS[-1])
    return float(edges[:-1][allowed][np.argmax(expected[allowed])])
