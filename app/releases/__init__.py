"""The releases that ship with the package: they run as challengers from the first second."""

from functools import lru_cache
from importlib.resources import files

from app.domain.artifact import unpack
from app.domain.release import release_of
from app.records import ModelRelease

COLD_START = "cold-start"
FILE = "cold_start.npz"


@lru_cache(maxsize=1)
def packaged() -> tuple[ModelRelease, ...]:
    """Return the packaged cold-start release; README.md in this folder says how it was made.

    Raises:
        ArtifactError: the packaged file is broken.

    """
    artifact = files(__package__).joinpath(FILE).read_bytes()
    return (release_of(COLD_START, artifact, unpack(artifact).header),)
