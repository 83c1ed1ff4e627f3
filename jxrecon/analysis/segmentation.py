"""Which voxels of a particle are pore: by a threshold, by Otsu's, or as a person showed it in a few places.

The trained way: every voxel is described by features on several scales sigma (the smoothed density, the length of its gradient,
the eigenvalues of its Hessian; scikit-image's multiscale_basic_features). Somebody marks some voxels of each class, 0 being no
mark; with features f, scaled to mean 0 and variance 1 over the marked voxels, and a weight vector for each class,

    p(k | f) = exp(w_k . f) / sum_j exp(w_j . f),      w minimises  -sum log p(mark | f) + ridge/2 |w|^2

by Newton's method. The probabilities are calibrated: their sum is the expected number of voxels of a class, a less biased porosity
than a count. For a map of labels the cut is where, by the probabilities themselves, the expected Dice coefficient

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

    def probability(
        self, density: Real[np.ndarray, "z y x"], kind: int = PORE
    ) -> Float[np.ndarray, "z y x"]:
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
        np.asarray(density, np.float32), sigma_min=low, sigma_max=high, num_sigma=count
    )
    return np.asarray(found, np.float32)


def _chances(weight: Float[Array, "k f"], values: Float[Array, "n f"]) -> Float[Array, "n m"]:
    """Of all classes; the last one's weights are zero."""
    logits = values @ weight.T
    return jax.nn.softmax(jnp.concatenate([logits, jnp.zeros((len(values), 1), logits.dtype)], axis=1))


def _loss(
    flat: Float[Array, " _"], values: Float[Array, "n f"], mark: Int[Array, " n"], ridge: float
) -> Float[Array, ""]:
    """Divided by the number of marks; the constant is not held back."""
    weight = flat.reshape(-1, values.shape[1])
    chance = jnp.take_along_axis(_chances(weight, values), mark[:, None], axis=1)
    held = ridge / 2 * jnp.sum(weight[:, :-1] ** 2)
    return (held - jnp.sum(jnp.log(jnp.maximum(chance, 1e-30)))) / len(mark)


@jax.jit
def _newton(values, mark, start, ridge):
    """Damped Newton steps: halved until the loss falls."""

    def step(state):
        flat, value, _, count = state
        slope = jax.grad(_loss)(flat, values, mark, ridge)
        curve = jax.hessian(_loss)(flat, values, mark, ridge) + 1e-6 * jnp.eye(len(flat))
        move = -jnp.linalg.solve(curve, slope)
        shares = 0.5 ** jnp.arange(8)
        tried = jax.vmap(lambda s: _loss(flat + s * move, values, mark, ridge))(shares)
        best = jnp.argmin(jnp.where(jnp.isfinite(tried), tried, jnp.inf))
        falls = tried[best] < value
        new = jnp.where(falls, flat + shares[best] * move, flat)
        return new, jnp.minimum(tried[best], value), jnp.max(jnp.abs(new - flat)), count + 1

    def goes_on(state):
        return (state[2] > PRECISION) & (state[3] < STEPS)

    first = _loss(start, values, mark, ridge)
    return jax.lax.while_loop(goes_on, step, (start, first, jnp.asarray(jnp.inf, first.dtype), 0))[0]


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
    start = jnp.zeros((len(classes) - 1) * scaled.shape[1], jnp.float32)
    found = _newton(
        jnp.asarray(scaled, jnp.float32), jnp.asarray(marks[where] - 1, jnp.int32), start, float(ridge)
    )
    weight = np.asarray(found, np.float64).reshape(len(classes) - 1, -1)
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
