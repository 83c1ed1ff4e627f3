"""kill -9 at random moments while checkpoints are written: one always loads, and nothing that was reported saved is lost."""

import json
import subprocess
import sys
import textwrap

# A nursery imports everything once and forks the savers, which it kills and judges; JAX's backend never starts in it.
NURSERY = """
    import json, os, random, signal, struct, sys, time
    import numpy as np
    from jxrecon import checkpoint

    folder, count = sys.argv[1], int(sys.argv[2])
    path = os.path.join(folder, "checkpoint.h5")

    def state(step):
        base = np.random.default_rng(step).standard_normal(100_000)
        return {"object": base, "probe": {"modes": base[:5000] * 1j}, "step": step}

    def save_for_ever(step, done):
        while True:
            checkpoint.save(path, state(step), {"step": step})
            os.write(done, struct.pack("q", step))
            step += 1

    tally, step = {"unreadable": 0, "different": 0, "lost": 0, "left": 0}, 0
    chance = random.Random(0)
    for trial in range(count):
        done, write = os.pipe()
        child = os.fork()
        if child == 0:
            save_for_ever(step, write)
        os.close(write)
        last = struct.unpack("q", os.read(done, 8))[0]  # one save is through
        time.sleep(chance.uniform(0, 0.1))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        while data := os.read(done, 8):
            last = struct.unpack("q", data)[0]
        os.close(done)
        tally["left"] += any(name.endswith(".jxtmp") for name in os.listdir(folder))
        try:
            tree, meta = checkpoint.load(path, state(0))
        except Exception as error:
            print(error, file=sys.stderr)
            tally["unreadable"] += 1
            continue
        want = state(tree["step"])
        same = (tree["object"] == want["object"]).all() and (tree["probe"]["modes"] == want["probe"]["modes"]).all()
        tally["different"] += not (same and meta["step"] == tree["step"])
        tally["lost"] += tree["step"] < last
        step = tree["step"] + 1
    checkpoint.save(path, state(step), {})
    print(json.dumps({**tally, "steps": step, "files": sorted(os.listdir(folder))}))
"""


def test_kill_at_random_moments(tmp_path, count):
    killed = count(50)
    command = [sys.executable, "-c", textwrap.dedent(NURSERY), str(tmp_path), str(killed)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    tally = json.loads(done.stdout)
    assert (tally["unreadable"], tally["different"], tally["lost"]) == (0, 0, 0), (tally, done.stderr)
    assert tally["files"] == ["checkpoint.h5", "checkpoint.h5.1"]  # what the dead left is swept
    assert tally["steps"] >= killed
    if killed >= 50:
        assert tally["left"] > 0  # some were hit in the middle of a save, else this shows nothing
