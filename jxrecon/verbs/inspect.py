"""What a data file holds, how it would be read, and what is missing: jxrecon inspect FILE [experiment=NAME] [key=value]

With everything known, the orientations and position signs that the data can tell apart are tried in a few iterations.
"""

import argparse
import sys
from pathlib import Path

from ..cli import Parser, config_options


def options(made: Parser) -> None:
    made.add_argument("file", metavar="FILE", help="data file")
    config_options(made)
    made.add_argument("--json", action="store_true", help="print JSON")
    made.add_argument("--no-trials", action="store_true", help="read only, do not try the orientations")
    made.add_argument("--trial-epochs", type=int, default=60, metavar="N", help="epochs of each trial (60)")
    made.add_argument("--trial-frames", type=int, default=200, metavar="N", help="frames of each trial (200)")


def main(options: argparse.Namespace) -> int:
    import json
    import os

    from ..config import compose
    from ..data.describe import as_text, describe
    from ..run import planned
    from ..storage import plain
    from ..validate import construct

    quoted = os.path.abspath(os.path.expanduser(options.file)).replace("\\", "\\\\").replace("'", "\\'")
    folders = [Path(folder) for folder in options.config_dir]
    composed = compose([*options.overrides, f"data.path='{quoted}'"], folders)
    job = construct(planned(composed.cfg))
    found = describe(job.data)
    print(json.dumps(plain(found), indent=1) if options.json else as_text(found), flush=True)
    if options.no_trials or options.json:
        return 0
    if found.get("missing") or found.get("problem"):
        print("orientation not tried: first the file has to be read as it should be, see above")
        return 0
    return _orientation(job, options.trial_epochs, options.trial_frames)


def _orientation(job, epochs: int, frames: int) -> int:
    from ..orientation import explain, judge, trials, ways
    from ..reconstruction import read

    (geometry, _), *_ = read(job).values()
    tried = []
    count = len(ways())
    for one in trials(job, epochs, frames):
        tried.append(one)
        print(f"  trial {len(tried)} of {count}: R {one.r_factor:.4f}", file=sys.stderr, flush=True)
    preprocess = job.data.preprocess
    sign = (1, 1) if preprocess.position_sign is None else preprocess.pair("position_sign")
    explain(judge(tried, geometry.regime), bool(preprocess.swap_xy), sign)
    return 0
