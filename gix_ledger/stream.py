"""Reads a tar as a stream, and accepts only a complete one.

`tarfile` takes an early end of the stream or a damaged header for the end of the archive, and ignores what follows the
end. Files would be lost without an error, so this module raises an error in each of these cases.
"""

import tarfile
from collections.abc import Iterator
from typing import IO, Protocol, cast

_LARGEST_READ_BYTES = 2**20
"""Limit for one read of a header or of content, since a damaged header may state any size."""
_SOURCE_BYTES = 2**18
_END_BYTES = 2 * tarfile.BLOCKSIZE


class Readable(Protocol):
    """A source of bytes: `read` returns at most `size` bytes, and none at the end."""

    def read(self, size: int, /) -> bytes:
        """Read some bytes."""


class Tar:
    """The entries of a tar. Iterate over it once; `read` reads the content of the current entry.

    Raises tarfile.TarError or ValueError if the tar is incomplete or damaged.
    """

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._ahead = bytearray()
        self._position = 0

    def __iter__(self) -> Iterator[tarfile.TarInfo]:
        tar: tarfile.TarFile | None = None
        while self._peek(tarfile.BLOCKSIZE).strip(b"\0"):
            header = self._position
            # TarFile reads the first header when it is created.
            tar = tar or tarfile.TarFile(fileobj=cast("IO[bytes]", self))
            entry = tar.next()
            if entry is None:
                raise tarfile.ReadError(f"the header at byte {header} is damaged")
            if entry.issparse():
                raise ValueError(f"{entry.name} is a sparse entry; make the archive without --sparse")
            content = -(-entry.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
            # After entries of other kinds, programs differ in where they continue.
            if entry.size < 0 or (entry.size and not entry.isreg()) or tar.offset != self._position + content:
                raise tarfile.ReadError(f"the header at byte {header}, of {entry.name}, states an impossible size")
            yield entry
            while self._position < tar.offset:
                self.read(min(tar.offset - self._position, _LARGEST_READ_BYTES))
        self._read_end()

    def read(self, size: int, /) -> bytes:
        """Read exactly `size` bytes. Raises tarfile.ReadError if the stream ends earlier."""
        if not 0 <= size <= _LARGEST_READ_BYTES:
            raise tarfile.ReadError(f"the header before byte {self._position} has a size of {size}")
        block = self._peek(size)
        del self._ahead[:size]
        self._position += size
        return block

    def tell(self) -> int:
        """Number of bytes that were read."""
        return self._position

    def _peek(self, size: int) -> bytes:
        while len(self._ahead) < size:
            piece = self._source.read(_SOURCE_BYTES)
            if not piece:
                raise tarfile.ReadError(f"it ends at byte {self._position + len(self._ahead)}, before its end mark")
            self._ahead += piece
        return bytes(self._ahead[:size])

    def _read_end(self) -> None:
        """Read the end mark, which is two blocks of zeros, and its padding."""
        length, piece = 0, bytes(self._ahead)
        while piece:
            if piece.strip(b"\0"):
                raise tarfile.ReadError(
                    f"it continues after its end mark at byte {self._position}; are two archives joined?"
                )
            length += len(piece)
            piece = self._source.read(_SOURCE_BYTES)
        if length < _END_BYTES:
            raise tarfile.ReadError(f"it ends at byte {self._position + length}, before its end mark")
