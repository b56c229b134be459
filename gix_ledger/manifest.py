"""The manifest of an archive, which is the last file in it."""

import dataclasses
import json
from dataclasses import dataclass

MANIFEST_NAME = ".gix-manifest.json"
"""The manifest's name in the archive, beside the ledger's own files."""
FORMAT = 1
"""The format that this version writes, and the highest that it reads."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """The source of a backup. `image` is the auction's image by digest, `program` the version that took the backup."""

    stack: str
    volume: str
    image: str
    program: str


@dataclass(frozen=True, kw_only=True)
class Measure:
    """Number, size and digest of a ledger's files, as in `Manifest`. Two ledgers with the same measure are equal."""

    files: int
    content_bytes: int
    sha256: str

    def __str__(self) -> str:
        return f"{self.files} files of {self.content_bytes} bytes with the SHA-256 {self.sha256:.12}"


@dataclass(frozen=True, kw_only=True)
class Manifest:
    r"""The contents of an archive.

    `time` is the time of the copy, UTC, ISO 8601. `files` is the number of regular files by name, `content_bytes` their
    total size. `sha256` is the SHA-256 of the list that `sha256sum` prints for them, sorted by the bytes of the names:
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
        """Number, size and digest of the files."""
        return Measure(files=self.files, content_bytes=self.content_bytes, sha256=self.sha256)

    def text(self) -> str:
        """The manifest as it is written to the archive."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    @classmethod
    def read(cls, text: bytes) -> "Manifest":
        """Read a manifest. Raises ValueError if the text is not a manifest, or its format is newer than `FORMAT`."""
        try:
            manifest = cls(**json.loads(text))
        except RecursionError as error:
            raise ValueError("the manifest is nested too deeply") from error
        except TypeError as error:
            raise ValueError(f"the manifest has keys that this version does not know ({error})") from error
        for key in dataclasses.fields(cls):
            value = getattr(manifest, key.name)
            if type(value) is not key.type or (isinstance(value, str) and not value.isprintable()):
                raise ValueError(f"the manifest's {key.name} cannot be {value!r:.40}")
        if manifest.format > FORMAT:
            raise ValueError(f"the manifest's format is {manifest.format}, and this version reads up to {FORMAT}")
        return manifest
