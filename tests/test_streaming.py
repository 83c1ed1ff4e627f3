"""A whole reconstruction of a file three times as large as the memory that the process may add."""

import subprocess
import sys
import textwrap

import h5py
import numpy as np

LIMIT_MIB = 96
FRAMES = 3 * LIMIT_MIB * 2**20 // (256 * 256 * 4)


def test_a_file_three_times_larger_than_the_memory_limit_is_reconstructed(tmp_path):
    rng = np.random.default_rng(0)
    with h5py.File(tmp_path / "large.h5", "w") as file:
        shape = (FRAMES, 256, 256)
        frames = file.create_dataset("intensity", shape, np.float32, chunks=(1, 256, 256))
        v, u = np.mgrid[:256, :256] - 128
        beam = 40 * np.exp(-(v**2 + u**2) / 900)
        for i in range(FRAMES):
            frames[i] = rng.poisson(beam)
        file["positions_px"] = rng.uniform(-20, 20, (FRAMES, 2))
        for name, value in {"wavelength_m": 1e-10, "distance_m": 5.0, "detector_pixel_m": 75e-6}.items():
            file[name] = value
    program = f"LIMIT = {LIMIT_MIB * 2**20}\n" + textwrap.dedent("""
        import re, resource, sys
        from pathlib import Path
        from jxrecon.config import compose
        from jxrecon.evaluate import r_factors
        from jxrecon.run import planned, prepare
        from jxrecon.runtime import peak_memory_mb
        from jxrecon.validate import construct

        settings = ["experiment=ptychography", "initial/probe=aperture", "epochs=2", "batch_size=8", *sys.argv[1:]]
        pieces = prepare(construct(planned(compose(settings).cfg)))
        before = None
        for state in pieces.fit():
            if before is None:  # compiled and running: from here on the process may add no more than the limit
                before = peak_memory_mb()
                used = int(re.search(r"VmData:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024
                resource.setrlimit(resource.RLIMIT_DATA, (used + LIMIT, used + LIMIT))
        fit = r_factors(pieces.objective, state.parameters, pieces.batches)
        print(pieces.batches.chunks_per_epoch, state.chunk, next(iter(fit.values()))["r_factor"], peak_memory_mb() - before)
    """)
    # The frames themselves may take a twelfth of the limit; a block on the device, one in the queue and one being read.
    settings = [f"data.path={tmp_path / 'large.h5'}", f"resident_gib={LIMIT_MIB / 4 / 1024}"]
    run = [sys.executable, "-c", program, *settings]
    done = subprocess.run(run, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    chunks, seen, r_factor, grown = done.stdout.split()[-4:]
    assert int(chunks) > 30 and int(seen) == 2 * int(chunks)
    assert float(r_factor) < 1
    assert float(grown) < 1.5 * LIMIT_MIB  # half of the file, with the program that evaluates it
