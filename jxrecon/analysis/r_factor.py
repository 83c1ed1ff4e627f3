"""How far predicted frames are from the measured ones, added up over blocks so that frames can stream.

    R = sum |sqrt(predicted) - sqrt(measured)| / sum sqrt(measured)

over the pixels that were fitted, and the same over pixels held out of the fit: R on fitted pixels always falls when
parameters are added, R on held-out ones tells whether they were needed. `r_factor_noise` is what counting noise alone gives
on the fitted pixels if the prediction is right, with E|sqrt(m) - sqrt(n)| for n of a Poisson distribution of mean m
(0.399 for many counts, sqrt(m) for few): a fit below it follows the noise.
"""

import functools

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float
from scipy import special

MANY = (
    1e3  # counts above which the square root of a Poisson variate is normal with a standard deviation of 1/2
)


@functools.cache
def _noise_table() -> tuple[np.ndarray, np.ndarray]:
    """log(m), and E|sqrt(m) - sqrt(n)| / sqrt(m) for Poisson n of mean m."""
    mean = np.geomspace(1e-6, MANY, 1024)
    n = np.arange(int(MANY + 12 * np.sqrt(MANY)))[:, None]
    probability = np.exp(special.xlogy(n, mean) - mean - special.gammaln(n + 1.0))
    return np.log(mean), np.sum(np.abs(np.sqrt(mean) - np.sqrt(n)) * probability, axis=0) / np.sqrt(mean)


def noise_residual(mean: Float[Array, "*frame v u"]) -> Float[Array, "*frame v u"]:
    """E|sqrt(m) - sqrt(n)| for Poisson counts n of mean m."""
    log_mean, relative = (jnp.asarray(table, mean.dtype) for table in _noise_table())
    tabulated = jnp.sqrt(mean) * jnp.interp(jnp.log(jnp.maximum(mean, 1e-6)), log_mean, relative)
    return jnp.where(mean < MANY, tabulated, jnp.full_like(mean, np.sqrt(0.5 / np.pi)))


class RFactor(eqx.Module):
    """Sums over (fitted, held-out) pixels: of amplitude differences, of those expected from noise, of amplitudes."""

    difference: Float[Array, " 2"]
    noise: Float[Array, " 2"]
    amplitude: Float[Array, " 2"]

    def __add__(self, other: "RFactor") -> "RFactor":
        return RFactor(
            self.difference + other.difference, self.noise + other.noise, self.amplitude + other.amplitude
        )

    def metrics(self) -> dict[str, float]:
        """Host numbers; NaN where no pixel was counted."""
        difference, noise, amplitude = (
            np.asarray(x, np.float64) for x in (self.difference, self.noise, self.amplitude)
        )
        ratio, floor = (
            np.divide(x, amplitude, out=np.full(2, np.nan), where=amplitude > 0) for x in (difference, noise)
        )
        return {
            "r_factor": float(ratio[0]),
            "r_factor_heldout": float(ratio[1]),
            "r_factor_noise": float(floor[0]),
        }


def r_factor(
    predicted: Float[Array, "*frame v u"],
    measured: Float[Array, "*frame v u"],
    fitted: Bool[Array, "..."],
    heldout: Bool[Array, "..."],
    weight: Float[Array, "*frame"] | None = None,
) -> RFactor:
    """Sums of a block of frames, laid out alike; negative measured counts were not measured.

    fitted, heldout: (v, u) or (frame, v, u). weight: 1 for a frame, 0 for padding.
    Usable under `jit` and inside a scan; add blocks with `+`.
    """
    valid = measured >= 0
    counts = jnp.where(valid, measured, jnp.zeros_like(measured))
    model = jnp.maximum(predicted, jnp.zeros_like(predicted))
    amplitude = jnp.sqrt(counts)
    difference = jnp.abs(jnp.sqrt(model) - amplitude)
    if weight is not None:
        valid = valid & (weight[..., None, None] > 0)

    def sums(values):
        return jnp.stack([jnp.sum(jnp.where(valid & pixels, values, 0.0)) for pixels in (fitted, heldout)])

    return RFactor(sums(difference), sums(noise_residual(model)), sums(amplitude))
