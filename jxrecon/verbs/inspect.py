"""What a data file holds, how it would be read, and what is missing: jxrecon inspect FILE [experiment=NAME] [key=value]

With everything known, the orientations and position signs that the data can tell apart are tried in a few iterations.
"""

import argparse
from pathlib import Path

from ..cli import Parser, config_options


def options(made: Parser) -> None:
    made.add_argument("file", metavar="FILE", help="data file")
    config_options(made)
    made.add_argument("--json", action="store_true", help="print JSON")


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
    print(json.dumps(plain(found), indent=1) if options.json else as_text(found))
    return 0
