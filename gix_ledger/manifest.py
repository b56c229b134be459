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
class Measure:
    """What the files of a ledger amount to, as in `Manifest`. Two ledgers with one measure hold the same."""

    files: int
    content_bytes: int
    sha256: str

    def __str__(self) -> str:
        return f"{self.files} files of {self.content_bytes} bytes with the SHA-256 {self.sha256:.12}"


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

    @property
    def measure(self) -> Measure:
        """What it says of the files."""
        return Measure(files=self.files, content_bytes=self.content_bytes, sha256=self.sha256)

    def text(self) -> str:
        """The manifest as it stands in the archive."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    @classmethod
    def read(cls, text: bytes) -> "Manifest":
        """Read a manifest; raises ValueError where it is none, or of a later format."""
        try:
            manifest = cls(**json.loads(text))
        except RecursionError as error:
            raise ValueError("the manifest is nested too deeply") from error
        except TypeError as error:
            raise ValueError(f"the manifest has other keys than this version knows ({error})") from error
        for key in dataclasses.fields(cls):
            value = getattr(manifest, key.name)
            if type(value) is not key.type or (isinstance(value, str) and not value.isprintable()):
                raise ValueError(f"the manifest's {key.name} can't be {value!r:.40}")
        if manifest.format > FORMAT:
            raise ValueError(f"the manifest's format is {manifest.format}, and this version reads up to {FORMAT}")
        return manifest
