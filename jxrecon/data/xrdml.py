"""PANalytical XRDML: one diffractometer's measurement, of one or several scans, in XML.

scan/dataPoints: positions of axis 2Theta as startPosition and endPosition (equal steps between, both ends included) or as
listPositions; intensities (later versions: counts) in counts or counts per second, commonCountingTime; usedWavelength in
angstrom. Where an attenuator was in the beam, an intensity is counts x factor (`intensities` were multiplied already), of
variance counts x factor^2. The wavelength is K-alpha1; that of K-alpha2 and their ratio are in the metadata. XML that defines
entities can inflate without bound or read other files: a file with a document type is refused before it is parsed.
http://www.xrdml.com
"""

import re
from xml.etree import ElementTree

import equinox as eqx
import numpy as np

from ..errors import InputError
from .access import Access
from .pattern_checks import RawPatterns
from .pattern_files import rows
from .pattern_reader import AbstractPatternReader, number_or_none
from .text_files import read_text
from .units import metres

EXPECTED = "PANalytical XRDML"
MOST_TAGS = 500_000
_KEPT = {"startTimeStamp": "started", "anodeMaterial": "anode"}


def parse(path: str) -> ElementTree.Element:
    """The root of an XML file without document type; the names without their namespaces."""
    text = read_text(path, EXPECTED)
    if re.search(r"<!\s*(DOCTYPE|ENTITY)", text, re.IGNORECASE):
        raise InputError(
            f"{path}: declares a document type or entities, which {EXPECTED} never does: refused."
        )
    if text.count("<") > MOST_TAGS:
        raise InputError(f"{path}: holds {text.count('<')} tags; expected {EXPECTED}, at most {MOST_TAGS}.")
    try:
        root = ElementTree.fromstring(re.sub(r"^\s*<\?xml[^>]*\?>", "", text))  # it was decoded already
    except ElementTree.ParseError as error:
        line = error.position[0]
        raise InputError(
            f"{path}: line {line}: is no XML ({error.msg}); the file may be cut short."
        ) from None
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""
    if root.tag != "xrdMeasurements":
        raise InputError(f"{path}: is XML of `{root.tag[:40]}`; expected `xrdMeasurements` ({EXPECTED}).")
    return root


def _numbers(element: ElementTree.Element, where: str) -> np.ndarray:
    try:
        return np.array([float(part) for part in (element.text or "").split()])
    except ValueError as error:
        raise InputError(f"{where}/{element.tag}: {error}.") from None


def _number(parent: ElementTree.Element | None, name: str, where: str) -> float | None:
    element = None if parent is None else parent.find(name)
    if element is None:
        return None
    values = _numbers(element, where)
    return float(values[0]) if len(values) == 1 else None


def _two_theta(points: ElementTree.Element, count: int, where: str) -> np.ndarray:
    """Degrees of each channel."""
    axes = {element.get("axis"): element for element in points.findall("positions")}
    if "2Theta" not in axes:
        raise InputError(f"{where}: has no axis `2Theta`; it has {', '.join(map(str, axes)) or 'none'}.")
    axis = axes["2Theta"]
    if (unit := axis.get("unit", "deg")) != "deg":
        raise InputError(f"{where}/positions: 2Theta is in `{unit}`; expected deg.")
    listed = axis.find("listPositions")
    if listed is not None:
        values = _numbers(listed, where)
        if len(values) != count:
            raise InputError(
                f"{where}: {len(values)} positions, but {count} intensities; is the file cut short?"
            )
        return values
    ends = [_number(axis, name, where) for name in ("startPosition", "endPosition")]
    if ends[0] is None or ends[1] is None:
        raise InputError(f"{where}/positions: has neither a list of positions nor a start and an end.")
    return np.linspace(ends[0], ends[1], count)


def _intensities(
    scan: ElementTree.Element, where: str
) -> tuple[ElementTree.Element, np.ndarray, np.ndarray | None]:
    """(points, intensities, their variances where these are not the counts)."""
    points = scan.find("dataPoints")
    element = None if points is None else next(
        (e for e in (points.find(name) for name in ("counts", "intensities")) if e is not None), None
    )  # fmt: skip
    if points is None or element is None:
        raise InputError(f"{where}: has no `dataPoints` with `intensities`.")
    values, unit = _numbers(element, where), element.get("unit", "counts")
    if unit in ("cps", "countsPerSecond"):
        seconds = _number(points, "commonCountingTime", where)
        if not seconds or seconds <= 0:
            raise InputError(f"{where}/{element.tag}: is in `{unit}`, but there is no `commonCountingTime`.")
        values = values * seconds
    elif unit != "counts":
        raise InputError(f"{where}/{element.tag}: is in `{unit}`; expected counts or cps.")
    factors = points.find("beamAttenuationFactors")
    if factors is None:
        return points, values, None
    factor = _numbers(factors, where)
    if factor.shape != values.shape or not (factor > 0).all():
        raise InputError(
            f"{where}: {factor.size} attenuation factors for {values.size} intensities; expected one above 0 each."
        )
    intensities = values * factor if element.tag == "counts" else values
    return points, intensities, None if (factor == 1).all() else intensities * factor


class Xrdml(AbstractPatternReader):
    """Reads one file, or a folder or a pattern (`*`) of files on one axis, a row (v) for each scan.

    scan: number (from 0) of the only scan of each file that is wanted; None takes all.
    """

    path: str
    wavelength_m: float | None = eqx.field(converter=number_or_none, default=None)
    energy_keV: float | None = eqx.field(converter=number_or_none, default=None)
    scan: int | None = None
    access: Access = Access()

    def raw(self) -> RawPatterns:
        return rows(self.source, (".xrdml",), self._read)

    def _read(self, path: str) -> list[RawPatterns]:
        root = parse(path)
        found = [
            (measurement, scan)
            for measurement in root.findall("xrdMeasurement")
            for scan in measurement.findall("scan")
        ]
        if not found or (self.scan is not None and not 0 <= self.scan < len(found)):
            wanted = "at least one" if self.scan is None else f"one of number {self.scan} (`scan`)"
            raise InputError(f"{path}: holds {len(found)} scans; expected {wanted}.")
        chosen = found if self.scan is None else [found[self.scan]]
        return [_pattern(measurement, scan, path) for measurement, scan in chosen]


def _pattern(measurement: ElementTree.Element, scan: ElementTree.Element, path: str) -> RawPatterns:
    where = f"{path}:/scan[@appendNumber={scan.get('appendNumber', '0')}]"
    points, values, variance = _intensities(scan, where)
    if values.size == 0:
        raise InputError(f"{where}: holds no intensities.")
    lines: dict[str, float | None] = {"kAlpha1": None, "kAlpha2": None, "ratioKAlpha2KAlpha1": None}
    used = measurement.find("usedWavelength")
    for name in lines:
        value = _number(used, name, path)
        element = None if used is None else used.find(name)
        if value is not None and element is not None and name.startswith("kAlpha"):
            value *= metres(element.get("unit", "Angstrom"), f"{path}:/usedWavelength/{name}")
        lines[name] = value
    kept = {key: e.text for tag, key in _KEPT.items() if (e := next(measurement.iter(tag), None)) is not None}
    return RawPatterns(
        counts=values[None, None, None],
        axis=_two_theta(points, len(values), where),
        variance=None if variance is None else variance[None, None, None],
        wavelength_m=lines["kAlpha1"] or None,
        source=path,
        metadata={
            "format": "xrdml",
            "scan": scan.get("appendNumber", "0"),
            "status": scan.get("status"),
            "counting_time_s": _number(points, "commonCountingTime", where),
            "k_alpha_2_m": lines["kAlpha2"],
            "k_alpha_2_ratio": lines["ratioKAlpha2KAlpha1"],
            **kept,
        },
    )
