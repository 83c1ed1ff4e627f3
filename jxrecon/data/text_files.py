"""Text files of strangers: bounded in length, decoded, and refused in one line where they are no text."""

from ..errors import InputError
from .hazards import regular_file

MAX_MIB = 64
MAGIC = {
    b"\x89HDF\r\n\x1a\n": "an HDF5 file",
    b"PK\x03\x04": "a zip or .npz archive",
    b"\x1f\x8b": "a gzip file",
    b"II*\x00": "a TIFF image",
    b"MM\x00*": "a TIFF image",
    b"\x93NUMPY": "a .npy file",
}


def kind_of(head: bytes) -> str | None:
    """What the first bytes of a file say it is, None where it may be text."""
    for magic, kind in MAGIC.items():
        if head.startswith(magic):
            return kind
    marked = head.startswith((b"\xff\xfe", b"\xfe\xff"))  # UTF-16, as some Windows programs write
    return "a binary file" if b"\0" in head and not marked else None


def read_text(path: str, expected: str) -> str:
    """The text of a file; `expected` ends the message where it holds none."""
    size = regular_file(path)
    if size > MAX_MIB * 2**20:
        raise InputError(
            f"{path}: is {size / 2**20:.4g} MiB long; expected {expected}, at most {MAX_MIB} MiB."
        )
    with open(path, "rb") as file:
        data = file.read()
    kind = kind_of(data[:4096]) or (
        "a binary file" if b"\0" in data and data[:2] not in (b"\xff\xfe", b"\xfe\xff") else None
    )
    if kind is not None:
        raise InputError(f"{path}: is {kind} (it begins with {data[:8]!r}); expected {expected}.")
    for encoding in ("utf-16",) if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig", "latin-1"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise InputError(f"{path}: is no UTF-16 text, as its first bytes promise; expected {expected}.")
