"""What the Fourier transforms of an epoch cost alone: the floor under every far-field engine.

One epoch of ptychography with N frames and M modes at whole-pixel positions transforms N M windows of v x u forward
(the prediction) and N M windows back (the gradient). This script does only that, in one `jit`, in three layouts:

    stream    groups of frames, as many as the engine takes at once, each read from memory; the results summed up
    cache     the same number of transforms of one group that stays in the cache
    whole     all frames in one call of each transform, as one would write it first

and prints one line of JSON with the figures of `stream` and, under `layouts`, the CPU seconds of all three.

    python experiments/fft_floor.py --frames 100 --size 128 --group 2
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np


def there_and_back(windows: jax.Array) -> jax.Array:
    """Forward and inverse transform, as loss and gradient do; the conjugate keeps them from being simplified away."""
    return jnp.fft.ifft2(jnp.conj(jnp.fft.fft2(windows, norm="ortho")), norm="ortho")


@partial(jax.jit, static_argnames="group")
def stream(windows: jax.Array, group: int) -> jax.Array:
    def body(total, chunk):
        return total + jnp.sum(there_and_back(chunk), axis=0), None

    chunks = windows.reshape(-1, group, *windows.shape[1:])
    return jax.lax.scan(body, jnp.zeros_like(windows[0]), chunks)[0]


@partial(jax.jit, static_argnames="group")
def cache(windows: jax.Array, group: int) -> jax.Array:
    def body(chunk, _):
        return there_and_back(chunk), None

    return jax.lax.scan(body, windows[:group], None, length=windows.shape[0] // group)[0]


@jax.jit
def whole(windows: jax.Array) -> jax.Array:
    return there_and_back(windows)


def timed(epoch: Callable[[], jax.Array], epochs: int) -> tuple[float, float]:
    """Median wall and CPU seconds of an epoch, after one that compiles."""
    epoch().block_until_ready()
    walls, cpus = [], []
    for _ in range(epochs):
        wall, cpu = time.perf_counter(), time.process_time()
        epoch().block_until_ready()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return statistics.median(walls), statistics.median(cpus)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--modes", type=int, default=1)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--group", type=int, default=2, help="windows transformed at once")
    parser.add_argument("--epochs", type=int, default=30)
    a = parser.parse_args()
    count = a.frames * a.modes
    parts = np.random.default_rng(0).normal(size=(2, count, a.size, a.size)).astype(np.float32)
    windows = jnp.asarray(parts[0] + 1j * parts[1])
    group = max(g for g in range(1, a.group + 1) if count % g == 0)
    layouts = {
        "stream": timed(partial(stream, windows, group), a.epochs),
        "cache": timed(partial(cache, windows, group), a.epochs),
        "whole": timed(partial(whole, windows), a.epochs),
    }
    wall, cpu = layouts["stream"]
    record = {
        "peer": "the two FFTs alone",
        "s_per_epoch_median": wall,
        "cpu_s_per_epoch_median": cpu,
        "layouts": {name: seconds for name, (_, seconds) in layouts.items()},
        "version": jax.__version__,
        "device": jax.devices()[0].device_kind,
        "load1": os.getloadavg()[0],
    }
    print(json.dumps(record))


if __name__ == "__main__":
    main()
