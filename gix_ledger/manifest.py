"""What an archive says of itself: the last file in it."""

import dataclasses
import json
from dataclasses import dataclass

MANIFEST_NAME = ".gix-manifest.json"
"""The manifest's name in the archive, beside the ledger's own files."""
FORMAT = 1
"""The format that this version writes, and the highest that it reads."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a backup comes from. `image` is the auction's image by digest, `program` the version that took it."""

    stack: str
    volume: str
    image: str
    program: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    r"""What an archive holds.

    `time` is the moment of the copy, UTC, ISO 8601. `files` counts names of regular files, `content_bytes` is what they
    hold together. `sha256` is that of the list that `sha256sum` prints for them, by name in the order of their bytes:
    `find . -type f ! -name .gix-manifest.json | LC_ALL=C sort | xargs -d '\n' sha256sum | sha256sum`.
    """

    stack: str
    volume: str
    image: str
    program: str
    time: str
    files: int
    content_bytes: int
    sha256: str
    format: int = FORMAT

    def text(self) -> str:
        """The manifest as it stands in the archive."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    @classmethod
    def read(cls, text: bytes) -> "Manifest":
        """Read a manifest; raises ValueError where it is none, or of a later format."""
        try:
            manifest = cls(**json.loads(text))
        except TypeError as error:
            raise ValueError(f"the manifest has other keys than this version knows ({error})") from error
        if manifest.format > FORMAT:
            raise ValueError(f"the manifest's format is {manifest.format}, and this version reads up to {FORMAT}")
        return manifest
