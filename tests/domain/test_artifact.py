"""Artifacts: what is packed comes back, and every damaged or hostile file is refused."""

import io
import zipfile
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.artifact import HEADER, MAX_BYTES, ArtifactError, Header, Parameters, pack, unpack
from app.domain.forecast import LEVELS

FEATURES = 6
HEADER_OF_SIX = Header(
    feature_schema="made-up", feature_names=tuple(f"f{i}" for i in range(FEATURES)), horizons_s=(5, 10, 30),
    levels=LEVELS, hidden=(8, 4), created_ms=1.0, origin="made up", metrics={"skill_5s": 0.02},
)  # fmt: skip


@pytest.fixture(scope="module")
def parameters() -> Parameters:
    """Return valid parameters of six features and three horizons."""
    random = np.random.default_rng(1)
    arrays = {name: random.normal(size=shape) for name, shape in HEADER_OF_SIX.shapes().items()}
    arrays["scale"] = np.abs(arrays["scale"]) + 0.1
    for name in ("naive", "ridge_quantiles"):
        arrays[name] = np.sort(arrays[name], axis=1)
    return Parameters(header=HEADER_OF_SIX, arrays={n: a.astype(np.float32) for n, a in arrays.items()})


def test_an_artifact_gives_back_what_was_packed(parameters: Parameters) -> None:
    """Header and arrays survive, and the same parameters are the same bytes."""
    blob = pack(parameters)
    back = unpack(blob)
    assert back.header == parameters.header
    assert all((back.arrays[name] == array).all() for name, array in parameters.arrays.items())
    assert pack(back) == blob


def _zip(entries: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    blob = io.BytesIO()
    with zipfile.ZipFile(blob, "w", method) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return blob.getvalue()


def _changed(parameters: Parameters, name: str, data: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(pack(parameters))) as archive:
        entries = {entry: archive.read(entry) for entry in archive.namelist()}
    return _zip({**entries, name: data})


def _without(parameters: Parameters, name: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(pack(parameters))) as archive:
        return _zip({entry: archive.read(entry) for entry in archive.namelist() if entry != name})


def _npy(array: Any, *, pickled: bool = False) -> bytes:
    blob = io.BytesIO()
    np.lib.format.write_array(blob, array, allow_pickle=pickled)
    return blob.getvalue()


def _huge_header() -> bytes:
    blob = io.BytesIO()
    np.lib.format.write_array_header_1_0(blob, {"descr": "<f4", "fortran_order": False, "shape": (10**15,)})
    return blob.getvalue()


HOSTILE: dict[str, tuple[Callable[[Parameters], bytes], str]] = {
    "nothing": (lambda p: b"", "not a model"),
    "noise": (lambda p: b"\x00\x01" * 500, "not a model"),
    "cut off": (lambda p: pack(p)[:-40], "not a model"),
    "bytes after the zip": (lambda p: pack(p) + b"more", "bytes before or after"),
    "bytes before the zip": (lambda p: b"more" + pack(p), "bytes before or after"),
    "an unknown array": (lambda p: _changed(p, "more.npy", _npy(np.zeros(3, np.float32))), r"\['more.npy'\]"),
    "a missing array": (lambda p: _without(p, "bias.npy"), r"\['bias.npy'\]"),
    "an empty zip": (lambda p: _zip({}), "not a model"),
    "too large": (lambda p: b"\x00" * (MAX_BYTES + 1), "at most"),
    "a zip bomb": (lambda p: _zip({HEADER: b" " * 10_000_000}, zipfile.ZIP_DEFLATED), "compressed"),
    "a header that is none": (lambda p: _changed(p, HEADER, b"[1, 2"), "not a model"),
    "a pickle": (lambda p: _changed(p, "skip.npy", _npy(np.array([{}]), pickled=True)), "array skip"),
    "an array that promises petabytes": (lambda p: _changed(p, "skip.npy", _huge_header()), "array skip"),
    "an array of another shape": (lambda p: _changed(p, "bias.npy", _npy(np.zeros(3, np.float32))), "array bias"),
    "an array of another type": (lambda p: _changed(p, "bias.npy", _npy(np.zeros(18))), "array bias"),
    "noise for an array": (lambda p: _changed(p, "bias.npy", b"noise"), "array bias"),
    "weights that are not finite": (
        lambda p: _changed(p, "bias.npy", _npy(np.full(18, np.nan, np.float32))), "not finite",
    ),
    "quantiles that cross": (
        lambda p: _changed(p, "naive.npy", _npy(-np.tile(np.arange(5, dtype=np.float32), (3, 1)))), "cross",
    ),
    "a scale of zero": (lambda p: _changed(p, "scale.npy", _npy(np.zeros(FEATURES, np.float32))), "scale"),
    "another format": (
        lambda p: _changed(p, HEADER, msgspec.json.encode(msgspec.structs.replace(p.header, format=99))), "format 99",
    ),
    "a layer too wide to allocate": (
        lambda p: _changed(p, HEADER, msgspec.json.encode(msgspec.structs.replace(p.header, hidden=(10**9, 10**9)))),
        "sizes",
    ),
    "levels without a median": (
        lambda p: _changed(p, HEADER, msgspec.json.encode(msgspec.structs.replace(p.header, levels=(0.1, 0.9)))),
        "median",
    ),
    "horizons that fall": (
        lambda p: _changed(p, HEADER, msgspec.json.encode(msgspec.structs.replace(p.header, horizons_s=(9, 5, 1)))),
        "horizons",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_artifact_is_refused_with_its_reason(parameters: Parameters, kind: str) -> None:
    """Every broken or malicious blob ends in one clear error, before anything of it is used."""
    make, reason = HOSTILE[kind]
    with pytest.raises(ArtifactError, match=reason):
        unpack(make(parameters))


@given(st.data())
def test_an_artifact_with_any_bytes_changed_is_refused_or_sound(parameters: Parameters, data: st.DataObject) -> None:
    """Whatever the damage, what comes back is finite and of the right shapes, or an ArtifactError."""
    blob = bytearray(pack(parameters))
    for position in data.draw(st.lists(st.integers(0, len(blob) - 1), min_size=1, max_size=5)):
        blob[position] = data.draw(st.integers(0, 255))
    try:
        back = unpack(bytes(blob))
    except ArtifactError:
        return
    assert all(np.isfinite(array).all() for array in back.arrays.values())
