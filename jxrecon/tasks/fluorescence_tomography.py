"""Maps of elements from fluorescence sinograms, with self-absorption; beside what filtered back projection makes of them.

Figures: sinograms of both detectors, maps of concentrations and of shares by atoms with the truth of a simulation beside them,
and profiles. maps.h5 holds all maps.
"""

import time
from functools import partial
from pathlib import Path
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from ..analysis.element_shares import atom_shares, body, spread
from ..classical.fluorescence_emission import absorbing_mlem, uncorrected, without_absorption
from ..data.write_maps import write_maps
from ..figures.canvas import save
from ..figures.element_maps import element_maps, element_profiles
from ..figures.fluorescence_sinogram import fluorescence_sinogram
from ..fluorescence_sinograms import FluorescenceSinograms
from ..forward.fluorescence import Fluorescence, absorption, beam_matrix
from .task import AbstractTask

Maps = dict[str, np.ndarray]


def model_of(scan: FluorescenceSinograms, coarse: int = 1) -> Fluorescence:
    """The forward model of a scan."""
    f32 = partial(jnp.asarray, dtype=jnp.float32)
    views, _, width, _, _ = scan.counts.shape
    energies = [scan.energy_keV, *(energy for _, energy in scan.lines)]
    mu = absorption(scan.elements, energies, scan.step_m, scan.companion)
    return Fluorescence(
        angle=f32(np.deg2rad(scan.angle_deg)),
        shift=f32(np.full(views, scan.axis_u - (width - 1) / 2)),
        monitor=f32(scan.monitor),
        direction=f32(np.deg2rad(scan.detector_deg))[:, None],
        response=f32(scan.response),
        absorption_in=f32(mu[:, 0]),
        absorption_out=f32(mu[:, 1:]),
        beam=f32(beam_matrix(width, scan.beam_m / scan.step_m)),
        element=tuple(k for k, _ in scan.lines),
        width=width,
        coarse=coarse,
    )


class FluorescenceTomography(AbstractTask):
    """iterations, refresh, smoothing, edge: of `classical.fluorescence_emission`; coarse: of `forward.fluorescence`.

    self_absorption: whether the reconstruction knows of it. interior: of the particle's radius, within which shares are judged
    when a simulation says where the particle is; else everything denser than half.
    """

    data: Any
    iterations: int = 150
    refresh: int = 10
    smoothing: float = 0.1
    edge: float = 0.05
    coarse: int = 1
    self_absorption: bool = True
    interior: float = eqx.field(converter=float, default=0.9)

    def __call__(self, folder: Path, seed: int) -> dict[str, float | int | None]:
        scan = self.data.read()
        model = model_of(scan, self.coarse)
        counts, start = jnp.asarray(scan.counts, jnp.float32), time.process_time()
        amount = absorbing_mlem(
            model if self.self_absorption else without_absorption(model),
            counts,
            iterations=self.iterations,
            refresh=self.refresh,
            smoothing=self.smoothing,
            edge=self.edge,
        )
        maps = {"reconstruction": np.asarray(amount)}
        seconds = time.process_time() - start
        maps["uncorrected"] = uncorrected(model, counts)
        if scan.truth is not None:
            maps = {"truth": scan.truth, **maps}
        where = body(maps["reconstruction"], scan.elements)
        if scan.radius is not None:
            where = scan.radius < self.interior
        shares = {name: atom_shares(values, scan.elements) for name, values in maps.items()}
        self._figures(folder, scan, maps, shares)
        _write(folder, scan, maps, shares)
        found = _numbers(scan, maps, shares, where)
        return found | {"voxels": int(where.sum()), "cpu_seconds": round(seconds, 1)}

    def _figures(self, folder: Path, scan: FluorescenceSinograms, maps: Maps, shares: Maps) -> None:
        slices = scan.counts.shape[3]
        middle, folder = slices // 2, folder / "figures"
        here = {name: values[:, :, middle] for name, values in maps.items()}
        parts = {name: values[:, :, middle] for name, values in shares.items()}
        about = np.nanmedian(parts["truth" if "truth" in parts else "reconstruction"], axis=(0, 1))
        save(element_maps(here, scan.elements, scan.step_m), folder / "concentrations.png")
        label = "share of the atoms"
        save(element_maps(parts, scan.elements, scan.step_m, label, about), folder / "shares.png")
        save(element_profiles(parts, scan.elements, scan.step_m), folder / "profiles.png")
        weakest = int(np.argmin(scan.counts.sum((0, 1, 2, 3))))
        name = scan.elements[weakest] if weakest < len(scan.elements) else f"window {weakest}"
        figure = fluorescence_sinogram(
            scan.counts[:, :, :, middle, weakest], scan.angle_deg, scan.step_m, scan.detector_deg, name
        )
        save(figure, folder / "sinogram.png")


def _write(folder: Path, scan: FluorescenceSinograms, maps: Maps, shares: Maps) -> None:
    """(z, y, x) maps of everything."""
    found = {}
    for name, volume in maps.items():
        for k, element in enumerate(scan.elements):
            found[f"{element}_{name}"] = (np.moveaxis(volume[..., k], -1, 0).astype(np.float32), "g/cm3")
            share = np.moveaxis(shares[name][..., k], -1, 0).astype(np.float32)
            found[f"{element}_share_{name}"] = (share, "")
    write_maps(folder / "maps.h5", found, [scan.step_m * 1e6] * 3, title="fluorescence tomography")


def _numbers(scan, maps: Maps, shares: Maps, where: np.ndarray) -> dict[str, float | int | None]:
    """Means and spread of the shares, and for a simulation their error; the reconstruction's first."""
    found: dict[str, float | int | None] = {}
    truth = spread(shares["truth"], where)[0] if "truth" in maps else None
    for name in ("reconstruction", "uncorrected"):
        tail = "" if name == "reconstruction" else "_uncorrected"
        mean, cv = spread(shares[name], where)
        for k, element in enumerate(scan.elements):
            found[f"{element}_share{tail}"] = round(float(mean[k]), 5)
            found[f"{element}_share_cv{tail}"] = round(float(cv[k]), 5)
        if truth is not None:
            for k, element in enumerate(scan.elements):
                found[f"{element}_share_error{tail}"] = round(float(mean[k] / truth[k] - 1), 5)
                ratio = maps[name][where][:, k].mean() / maps["truth"][where][:, k].mean()
                found[f"{element}_density_error{tail}"] = round(float(ratio - 1), 5)
    measured = scan.counts[scan.counts >= 0]
    return found | {"counts": float(measured.sum())}
