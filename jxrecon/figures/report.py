"""report.html: one file that tells a run to somebody who has nothing but a browser.

Self-contained: pictures are embedded, there is no script and no address to fetch, so that it opens from a disk, a mail or a
logbook. All that comes from files or from the user is escaped.
"""

import base64
import html
import json
import math
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..parameters import Parameters
from ..result import Result
from ..storage import plain, write_text_atomically
from .captions import CAPTIONS, METRICS
from .draw import draw

__all__ = ["draw", "write_report"]

CSS = """
body{font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;color:#1c2733;background:#fff;
 max-width:1120px;margin:0 auto;padding:1.5rem}
h1{font-size:1.6rem;margin:0 0 .2rem}h2{font-size:1.2rem;margin:2rem 0 .6rem;border-bottom:1px solid #d8e0e8;padding-bottom:.2rem}
h3{font-size:1rem;margin:0 0 .3rem}.sub{color:#5a6b7b;margin:0;overflow-wrap:anywhere}
table{border-collapse:collapse}td,th{text-align:left;padding:.25rem .9rem .25rem 0;border-bottom:1px solid #e8edf2;
 vertical-align:top}
td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}td.m{color:#5a6b7b}
.figures{display:flex;flex-wrap:wrap;gap:1.8rem}
figure{margin:0;flex:1 1 430px;max-width:530px}figure.wide{flex:1 1 100%;max-width:100%}
img{max-width:100%;height:auto;display:block}
figcaption{color:#5a6b7b;font-size:.9rem;margin-top:.3rem}
pre{background:#f4f7fa;padding:.7rem .9rem;overflow-x:auto;font-size:.85rem;line-height:1.4}
summary{cursor:pointer}@media print{body{max-width:none}figure,tr{break-inside:avoid}}
"""


WIDE = ("orthoslices", "sinogram", "alignment", "probe_modes", "patterns", "shot_flux")


def number(value: Any) -> str:
    """Four significant digits, without a power of ten from 1e-4 to 1e7; a dash for what is not finite."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int) or (float(value).is_integer() and abs(value) < 1e7):
        return f"{int(value):,}".replace(",", " ")
    if 1e4 <= abs(value) < 1e7:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.4g}"


def explained(name: str) -> tuple[str, str]:
    """Unit and meaning of a metric; `r_factor.TERM` is what `r_factor` is, of one term."""
    kind, _, term = name.partition(".")
    if kind.startswith("loss_"):
        return "nat", "last value of this term"
    unit, meaning = METRICS.get(kind, ("", ""))
    return unit, f"{meaning}; of the term {term}" if term else meaning


def metrics_table(metrics: Mapping[str, Any]) -> str:
    """Known metrics first, with unit and meaning, then all others."""
    order = {name: place for place, name in enumerate(METRICS)}
    names = sorted(metrics, key=lambda name: (order.get(name.partition(".")[0], len(order)), name))
    rows = []
    for name in names:
        value, unit, meaning = (html.escape(cell) for cell in (number(metrics[name]), *explained(name)))
        rows.append(
            f'<tr><th scope="row"><code>{html.escape(name)}</code></th>'
            f'<td class="n">{value}</td><td>{unit}</td><td class="m">{meaning}</td></tr>'
        )
    head = "<tr><th>metric</th><th>value</th><th>unit</th><th>meaning</th></tr>"
    return f"<table><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table>"


def picture(path: Path) -> str:
    """One embedded figure with heading, caption and a text for those who cannot see it."""
    stem = next((known for known in CAPTIONS if path.stem.startswith(known)), None)
    heading, caption = CAPTIONS[stem] if stem else (path.stem.replace("_", " "), "")
    part = path.stem.removeprefix(stem).strip("_") if stem else ""
    heading = f"{heading} {int(part) + 1}" if part.isdigit() else heading
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    wide = ' class="wide"' if stem in WIDE else ""
    text = html.escape(f"{heading}. {caption}", quote=True)
    return (
        f'<figure{wide}><h3>{html.escape(heading)}</h3><img alt="{text}" src="data:image/png;base64,{data}">'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )


def commands(result: Result, folder: Path) -> str:
    """What to type to do it again, to go on, and to open the result."""
    run = shlex.quote(str(folder))
    again = result.provenance.get("command")
    again = again if isinstance(again, str) else shlex.join(again) if again else None
    lines = [f"# once more, from the start\n{again}\n"] if again else []
    lines.append(f"# go on, if it was stopped\njxrecon resume {run}\n")
    lines.append(f"# draw figures and report again\njxrecon report {run}\n")
    opened = str(folder / "result.h5")
    what = "object = result.parameters.object"
    if result.parameters.volume is not None:
        what = "density = result.parameters.volume.electron_density()  # e/A^3, (y, x, z)"
    lines.append(f"# in Python\nimport jxrecon\nresult = jxrecon.load({opened!r})\n{what}")
    return f"<pre>{html.escape(chr(10).join(lines))}</pre>"


def _specimen(parameters: Parameters, y: float, x: float) -> dict[str, str]:
    """Size of the object or of the volume, pixels in nm."""
    if parameters.volume is not None:
        shape = parameters.volume.density.shape
        views = 0 if parameters.alignment is None else len(parameters.alignment.angle)
        return {
            "volume": f"{shape[2]} × {shape[0]} × {shape[1]} voxels (z, y, x) of {x:.4g} nm",
            "rotation angles": f"{views}",
        }
    shape = parameters.objects().shape
    pixel = f"{y:.4g} nm" + (f" × {x:.4g} nm" if abs(x - y) > 1e-3 * x else "")
    return {"object": f"{shape[-2]} × {shape[-1]} pixels of {pixel}"}


def set_up(result: Result) -> str:
    """Geometry in the units that people use."""
    geometry, parameters = result.geometry, result.parameters
    modes = result.parameters.probe.modes.shape
    y, x = (p * 1e9 for p in geometry.pixel_size_m)
    rows = {
        "photon energy": f"{geometry.energy_keV:.4f} keV",
        "regime": geometry.regime.replace("_", " "),
        "sample to detector": f"{geometry.distance_m:.6g} m",
        "frames": f"{len(result.parameters.flux)} of {geometry.frame_shape[0]} × {geometry.frame_shape[1]} pixels",
        **_specimen(parameters, y, x),
        "probe": f"{modes[1]} mode{'s' * (modes[1] > 1)} of {modes[2]} × {modes[3]} pixels",
    }  # fmt: skip
    if geometry.magnification != 1.0:
        rows["magnification"] = f"{geometry.magnification:.5g}"
    cells = "".join(
        f'<tr><th scope="row">{html.escape(k)}</th><td>{html.escape(v)}</td></tr>' for k, v in rows.items()
    )
    return f"<table><tbody>{cells}</tbody></table>"


def page(result: Result, figures: Sequence[Path], folder: Path) -> str:
    """The whole document."""
    title = html.escape(f"Reconstruction of {Path(result.source).name or 'simulated data'}")
    provenance = json.dumps(plain(result.provenance), indent=2, ensure_ascii=False)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>{CSS}</style></head><body>
<h1>{title}</h1><p class="sub">{html.escape(result.source)}</p><p class="sub">{html.escape(str(folder))}</p>
<h2>How good it is</h2>{metrics_table(result.metrics)}
<h2>What it shows</h2><div class="figures">{"".join(map(picture, figures))}</div>
<h2>Set-up</h2>{set_up(result)}
<h2>Do it again</h2>{commands(result, folder)}
<h2>Record</h2>
<details><summary>Configuration</summary><pre>{html.escape(result.config)}</pre></details>
<details><summary>Provenance</summary><pre>{html.escape(provenance)}</pre></details>
</body></html>
"""


def write_report(result: Result, figures: Sequence[Path], path: Path) -> None:
    """Write the report of a run into its folder, wholly or not at all."""
    write_text_atomically(path, page(result, figures, path.parent.resolve()))
