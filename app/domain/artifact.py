"""Model artifacts: the parameters of a model as bytes that are read without running code.

An artifact is an uncompressed zip: `header.json` describes the architecture, the rest are float32 arrays in numpy's own
format. Nothing is unpickled, and every size follows from the header before anything is allocated, so a hostile
artifact can waste at most its own length.
"""

import io
import struct
import zipfile
import zlib
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from app.domain.baselines import LinearModel, Scaler
from app.domain.forecast import Floats

FORMAT = 1
MAX_BYTES = 4 * 2**20
MAX_WIDTH = 4096  # of any one dimension
HEADER = "header.json"
FIRST_ENTRY, END, END_BYTES = b"PK\3\4", b"PK\5\6", 22  # signatures of a zip without a comment
# What `zipfile` raises on damaged bytes: impossible offsets, encryption, names and sizes.
DAMAGE = (
    zipfile.BadZipFile, KeyError, ValueError, RuntimeError, OSError, EOFError, OverflowError, struct.error, zlib.error,
    msgspec.MsgspecError,
)  # fmt: skip
ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # the same parameters give the same bytes, whenever they are packed


class ArtifactError(ValueError):
    """Bytes that are not a model this program can run; the message says why."""


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The description of a model: features, horizons, levels, sizes, and where it comes from."""

    format: int = FORMAT
    feature_schema: str
    feature_names: tuple[str, ...]
    horizons_s: tuple[int, ...]
    levels: tuple[float, ...]
    hidden: tuple[int, int]
    created_ms: float = 0.0
    origin: str = ""
    metrics: dict[str, float] = {}

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of every array: F features, H horizons, Q levels, hidden layers of A and B."""
        F, H, Q = len(self.feature_names), len(self.horizons_s), len(self.levels)
        A, B = self.hidden
        outputs = H * (Q + 1)
        return {
            "centre": (F,), "scale": (F,), "naive": (H, Q), "ridge": (F, H), "ridge_share": (H,),
            "ridge_quantiles": (H, Q),
            "skip": (F, outputs), "bias": (outputs,), "head": (B, outputs),
            "hidden1": (F, A), "bias1": (A,), "hidden2": (A, B), "bias2": (B,),
        }  # fmt: skip


class Parameters(msgspec.Struct, frozen=True, kw_only=True):
    """The header of a model and the float32 arrays it describes."""

    header: Header
    arrays: dict[str, NDArray[np.float32]]

    @property
    def scaler(self) -> Scaler:
        """The scaler of the features."""
        return Scaler(self.arrays["centre"], self.arrays["scale"])

    @property
    def naive(self) -> Floats:
        """Quantiles [H, Q] of the standardised return."""
        return self.arrays["naive"].astype(np.float64)

    @property
    def ridge(self) -> LinearModel:
        """The linear model."""
        slope, quantiles = (self.arrays[name].astype(np.float64) for name in ("ridge_share", "ridge_quantiles"))
        return LinearModel(self.arrays["ridge"], slope, quantiles)

    def replaced(self, arrays: dict[str, Any] | None = None, **header: Any) -> "Parameters":
        """Return parameters with some arrays or header fields replaced."""
        return Parameters(
            header=msgspec.structs.replace(self.header, **header), arrays={**self.arrays, **(arrays or {})}
        )


def pack(parameters: Parameters) -> bytes:
    """Return parameters as an artifact.

    Raises:
        ArtifactError: the parameters are invalid, or take more than 4 MiB.

    """
    _check(parameters)
    blob = io.BytesIO()
    with zipfile.ZipFile(blob, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(HEADER, ZIP_TIME), msgspec.json.encode(parameters.header))
        for name, array in sorted(parameters.arrays.items()):
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", ZIP_TIME), _npy(array))
    if blob.tell() > MAX_BYTES:
        raise ArtifactError(f"the model takes {blob.tell()} bytes, at most {MAX_BYTES} are allowed")
    return blob.getvalue()


def _npy(array: NDArray[np.float32]) -> bytes:
    written = io.BytesIO()
    np.lib.format.write_array(written, np.ascontiguousarray(array, dtype="<f4"), allow_pickle=False)
    return written.getvalue()


def unpack(blob: bytes) -> Parameters:
    """Return the parameters in an artifact.

    Raises:
        ArtifactError: too large, not a stored zip of the expected entries, unknown format, wrong shapes, values that
            are not finite.

    """
    if len(blob) > MAX_BYTES:
        raise ArtifactError(f"the artifact has {len(blob)} bytes, at most {MAX_BYTES} are allowed")
    if not blob.startswith(FIRST_ENTRY) or not blob[-END_BYTES:].startswith(END):
        raise ArtifactError("the artifact is not a model: it is cut off, or has bytes before or after the zip")
    try:
        with zipfile.ZipFile(io.BytesIO(blob)) as archive:
            parameters = _read(archive)
    except ArtifactError:
        raise
    except DAMAGE as error:
        raise ArtifactError(f"the artifact is not a model: {error}") from error
    _check(parameters)
    return parameters


def _read(archive: zipfile.ZipFile) -> Parameters:
    packed = [entry.filename for entry in archive.infolist() if entry.compress_type != zipfile.ZIP_STORED]
    if packed:
        raise ArtifactError(f"the artifact is compressed ({packed[0]}): only stored arrays are read")
    header = msgspec.json.decode(archive.read(HEADER), type=Header)
    _check_header(header)
    shapes = header.shapes()
    entries, expected = archive.namelist(), [HEADER, *(f"{name}.npy" for name in shapes)]
    if sorted(entries) != sorted(expected):
        odd = sorted(set(entries) ^ set(expected)) or "an entry twice"
        raise ArtifactError(f"the artifact is not a model: missing, unknown or repeated are {odd}")
    arrays = {name: _array(name, archive.read(f"{name}.npy"), shape) for name, shape in shapes.items()}
    return Parameters(header=header, arrays=arrays)


def _array(name: str, data: bytes, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return the array in .npy bytes; their own header must describe the expected shape and type."""
    head = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(head)
        if version != (1, 0):
            raise ArtifactError(f"array {name} has .npy version {version}, not (1, 0)")
        found, fortran, dtype = np.lib.format.read_array_header_1_0(head)
    except (ValueError, SyntaxError) as error:
        raise ArtifactError(f"array {name} cannot be read: {error}") from error
    rest = data[head.tell() :]
    if found != shape or fortran or dtype != np.dtype("<f4") or len(rest) != 4 * int(np.prod(shape)):
        raise ArtifactError(f"array {name} is {dtype}{found} in {len(rest)} bytes, not float32{shape}")
    return np.frombuffer(rest, "<f4").reshape(shape)


def _check_header(header: Header) -> None:
    sizes = (len(header.feature_names), len(header.horizons_s), len(header.levels), *header.hidden)
    if header.format != FORMAT:
        raise ArtifactError(f"the artifact has format {header.format}, this program reads {FORMAT}")
    if not all(1 <= size <= MAX_WIDTH for size in sizes):
        raise ArtifactError(f"the artifact has sizes {sizes}, each must lie within 1 … {MAX_WIDTH}")
    if len(header.levels) % 2 == 0 or list(header.levels) != sorted(set(header.levels)):
        raise ArtifactError(f"levels {header.levels} must rise, and have a median in their middle")
    if list(header.horizons_s) != sorted(set(header.horizons_s)) or header.horizons_s[0] < 1:
        raise ArtifactError(f"horizons {header.horizons_s} must rise from 1 s or more")


def _check(parameters: Parameters) -> None:
    _check_header(parameters.header)
    for name, shape in parameters.header.shapes().items():
        array = parameters.arrays.get(name)
        if array is None or array.shape != shape:
            raise ArtifactError(f"array {name} is {None if array is None else array.shape}, not {shape}")
        if not np.isfinite(array).all():
            raise ArtifactError(f"array {name} holds values that are not finite")
    if (parameters.arrays["scale"] <= 0).any():
        raise ArtifactError("a feature has a scale of zero or less")
    for name in ("naive", "ridge_quantiles"):
        if (np.diff(parameters.arrays[name], axis=1) < 0).any():
            raise ArtifactError(f"the quantiles in {name} cross")
