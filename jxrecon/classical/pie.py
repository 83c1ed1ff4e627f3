"""Ptychographical iterative engines: frames one after the other in random order.

With the exit waves psi_m = P_m O of one frame and psi'_m those with the measured moduli (`engine.constrained`),

    O   += s_O sum_m conj(P_m) (psi'_m - psi_m) / ( (1 - a) sum_m |P_m|^2 + a max sum_m |P_m|^2 )
    P_m += s_P       conj(O)   (psi'_m - psi_m) / ( (1 - b) |O|^2         + b max |O|^2 ).

a = b = 1 is ePIE: Maiden & Rodenburg, Ultramicroscopy 109, 1256 (2009), doi 10.1016/j.ultramic.2009.05.012.
Smaller a and b regularise dark pixels less and converge faster, rPIE: Maiden, Johnson & Li, Optica 4, 736 (2017),
doi 10.1364/OPTICA.4.000736.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, Int

from ..kernels.patches import paste
from ..numerics.safe import intensity
from .engine import AbstractEngine, Misfit, Scan, constrained, moved, random_orders, window


class Settings(eqx.Module):
    """Steps s and regularisations a (object), b (probe) of the equations above."""

    object_step: float
    probe_step: float
    object_regularisation: float
    probe_regularisation: float

    def __check_init__(self):
        for name in ("object_regularisation", "probe_regularisation"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(
                    f"`{name}` is {getattr(self, name)}; expected more than 0, and at most 1 (which is ePIE)."
                )


def _divided(change, brightness, regularisation):
    return change / ((1 - regularisation) * brightness + regularisation * jnp.max(brightness))


def pie_update(
    frame: Scan,
    object: Complex[Array, "y x"],
    probe: Complex[Array, "mode v u"],
    settings: Settings,
    update_probe,
) -> tuple[Complex[Array, "y x"], Complex[Array, "mode v u"], Misfit]:
    """Object and probe after one frame; `update_probe` is 0 or 1."""
    patch, here = window(object, frame), moved(probe, frame.fractions)
    waves = here * patch
    target, misfit = constrained(waves, frame)
    change = target - waves
    d_patch = _divided(
        jnp.sum(jnp.conj(here) * change, axis=0),
        jnp.sum(intensity(here), axis=0),
        settings.object_regularisation,
    )
    d_probe = _divided(jnp.conj(patch) * change, intensity(patch), settings.probe_regularisation)
    object = paste(object, settings.object_step * d_patch, frame.corners)
    step = settings.probe_step * update_probe
    return object, probe + step * moved(d_probe, -frame.fractions), misfit


def pie(
    scan: Scan,
    object: Complex[Array, "y x"],
    probe: Complex[Array, "mode v u"],
    settings: Settings,
    orders: Int[Array, "iteration scan"],
    *,
    probe_start: int | Int[Array, ""],
) -> tuple[Complex[Array, "y x"], Complex[Array, "mode v u"], Float[Array, " iteration"]]:
    """Object and probe after a pass over all frames in each of the orders, and the R-factor met in each."""

    def epoch(state, xs):
        iteration, order = xs

        free = jnp.asarray(iteration >= probe_start, object.real.dtype)

        def body(here, number):
            *changed, misfit = pie_update(scan[number], here[0], here[1], settings, free)
            return tuple(changed), misfit

        state, misfit = jax.lax.scan(body, state, order)
        return state, misfit.r_factor

    epochs = jnp.arange(orders.shape[0]), orders
    (object, probe), history = jax.lax.scan(epoch, (object, probe), epochs)
    return object, probe, history


class Epie(AbstractEngine):
    """ePIE, the extended ptychographical iterative engine."""

    iterations: int = 100
    probe_start: int = 2
    object_step: float = 1.0
    probe_step: float = 1.0

    def __call__(
        self,
        scan: Scan,
        object: Complex[Array, "y x"],
        probe: Complex[Array, "mode v u"],
        *,
        seed: int = 0,
    ) -> tuple[Complex[Array, "y x"], Complex[Array, "mode v u"], Float[Array, " iteration"]]:
        settings = Settings(self.object_step, self.probe_step, 1.0, 1.0)
        orders = random_orders(self.iterations, scan.corners.shape[0], seed)
        run = eqx.filter_jit(pie)
        return run(scan, object, probe, settings, orders, probe_start=jnp.asarray(self.probe_start))


class Rpie(AbstractEngine):
    """rPIE, the regularised ptychographical iterative engine."""

    iterations: int = 100
    probe_start: int = 2
    object_step: float = 1.0
    probe_step: float = 1.0
    object_regularisation: float = 0.1
    probe_regularisation: float = 1.0

    def __check_init__(self):
        self.settings()

    def settings(self) -> Settings:
        return Settings(
            self.object_step,
            self.probe_step,
            self.object_regularisation,
            self.probe_regularisation,
        )

    def __call__(
        self,
        scan: Scan,
        object: Complex[Array, "y x"],
        probe: Complex[Array, "mode v u"],
        *,
        seed: int = 0,
    ) -> tuple[Complex[Array, "y x"], Complex[Array, "mode v u"], Float[Array, " iteration"]]:
        orders = random_orders(self.iterations, scan.corners.shape[0], seed)
        run = eqx.filter_jit(pie)
        return run(scan, object, probe, self.settings(), orders, probe_start=jnp.asarray(self.probe_start))
