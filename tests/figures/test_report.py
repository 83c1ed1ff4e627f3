"""All figures of a result, and a report that needs nothing but itself."""

import html.parser
import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest

from jxrecon.analysis.resolution import RingCorrelation
from jxrecon.figures import canvas
from jxrecon.figures.report import draw, number, write_report
from jxrecon.geometry import Geometry
from jxrecon.parameters import Parameters, Positions, Probe
from jxrecon.result import Result

RNG = np.random.default_rng(0)
EVERYTHING = [
    "object_phase", "object_amplitude", "probe_modes", "patterns", "scan_positions", "ring_correlation", "loss", "shot_flux",
]  # fmt: skip


def result(**fields):
    y, x = np.mgrid[-8:8, -8:8]
    spot = np.exp(-(y**2 + x**2) / 20.0)
    probe = np.stack([spot, 0.3 * spot * y])[None].astype(np.complex64)
    object_ = np.exp(0.3j * RNG.normal(size=(1, 60, 64))).astype(np.complex64)
    nominal = RNG.uniform(-15, 15, (40, 2)).astype(np.float32)
    positions = Positions(
        jnp.asarray(nominal), jnp.asarray(RNG.normal(0, 0.3, (40, 2)), jnp.float32), jnp.zeros(4)
    )
    flux = jnp.asarray(1 + 0.02 * RNG.normal(size=40), jnp.float32)
    parameters = Parameters(jnp.asarray(object_), Probe(jnp.asarray(probe)), positions, flux)
    geometry = Geometry(1.4e-10, 1.9, (75e-6, 75e-6), (16, 16))
    return Result(**{"parameters": parameters, "geometry": geometry, **fields})


def full():
    frequency = np.linspace(0, 1, 30)
    frames = RNG.gamma(1.0, 20.0, (2, 16, 16)).astype(np.float32)
    epochs = np.arange(1, 6)
    return result(
        metrics={
            "r_factor": 0.1234567,
            "frc_half_bit_px": 1.5,
            "other": None,
            "loss_data": 2.5e6,
            "r_factor.near": 0.2,
        },
        history={"epoch": epochs, "seconds": epochs, "data": 5.0 / epochs, "total": 5.0 / epochs},
        frc=RingCorrelation(frequency, 1 - frequency, np.full(30, 500.0)).curves(),
        images={"measured": RNG.poisson(frames).astype(np.float32), "predicted": frames},
        config="name: <b>x</b>\n",
        provenance={"command": "jxrecon run 'a b'", "example_frames": [3, 9], "seed": 1},
        source="/data/<scan> & co.h5",
    )


@pytest.fixture(scope="module", autouse=True)
def coarse():
    """Fewer pixels, for speed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(canvas, "DPI", 40)
        yield


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return full(), draw(full(), folder / "figures"), folder


def test_everything_that_a_result_holds_is_drawn(drawn):
    _, files, _ = drawn
    assert [path.stem for path in files] == EVERYTHING
    for path in files:
        assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" and path.stat().st_size > 2000


def test_a_bare_or_a_broken_result_is_drawn_as_well(tmp_path):
    bare = draw(result(), tmp_path / "bare")
    assert [path.stem for path in bare] == [
        n for n in EVERYTHING if n not in ("patterns", "ring_correlation", "loss")
    ]
    broken = full()
    nowhere = Parameters(
        jnp.full((2, 60, 64), jnp.nan, jnp.complex64),
        Probe(jnp.zeros((1, 2, 16, 16), jnp.complex64)),
        Positions(jnp.zeros((1, 2)), jnp.full((1, 2), jnp.nan), jnp.zeros(4)),
        jnp.ones(1),
    )
    fields = {"images": {k: np.full_like(v, np.nan) for k, v in broken.images.items()}, "frc": broken.frc}
    files = draw(result(parameters=nowhere, **fields), tmp_path / "broken")
    assert {"object_phase_0", "object_phase_1", "probe_modes", "patterns"} <= {path.stem for path in files}


class Document(html.parser.HTMLParser):
    """Collects what a browser would fetch, texts for images, and whether tags are closed."""

    def __init__(self):
        super().__init__()
        self.fetched, self.texts, self.open, self.words = [], [], [], []

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.fetched += [attributes[k] for k in ("src", "href") if k in attributes]
        if tag == "img":
            self.texts.append(attributes.get("alt"))
        if tag not in ("img", "meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def test_report_is_self_contained_escaped_and_tells_how_to_go_on(drawn):
    told, files, folder = drawn
    write_report(told, files, folder / "report.html")
    text = (folder / "report.html").read_text()
    page = Document()
    page.feed(text)
    assert page.open == []
    assert len(page.fetched) == len(EVERYTHING)
    assert all(address.startswith("data:image/png;base64,") for address in page.fetched)
    assert all(alt and len(alt) > 20 for alt in page.texts)
    assert "<script" not in text and "url(" not in text and "<b>x" not in text and "<scan>" not in text
    words = "".join(page.words)
    wanted = [
        "0.1235",
        "2 500 000",
        "Reconstruction of <scan> & co.h5",
        "name: <b>x</b>",
        "jxrecon run 'a b'",
    ]
    for expected in wanted:
        assert expected in words
    assert f"jxrecon resume {folder.resolve()}" in words


@pytest.mark.parametrize(
    "value, expected",
    [
        (None, "–"),
        (float("nan"), "–"),
        (100, "100"),
        (0.12345678, "0.1235"),
        (3.22e6, "3 220 000"),
        (1.5e-9, "1.5e-09"),
        (1.0, "1"),
    ],
)
def test_numbers_are_short(value, expected):
    assert number(value) == expected


def test_no_plotting_before_a_figure_is_wanted_and_never_pyplot():
    code = (
        "import sys, jxrecon, jxrecon.analysis.resolution\n"
        "assert 'matplotlib' not in sys.modules\n"
        "import jxrecon.figures.report\n"
        "import numpy as np\n"
        "from jxrecon.figures.loss import loss_curves\n"
        "loss_curves(np.arange(2), {'data': np.arange(2)}).savefig('/dev/null', format='png')\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
