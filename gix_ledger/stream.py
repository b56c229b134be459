"""Reads a tar as a stream, and accepts nothing but a whole one.

`tarfile` takes an end of the stream and a damaged header for the end of the archive, and ignores what follows the end.
Each of these would drop files in silence, so each is an error here.
"""

import tarfile
from collections.abc import Iterator
from typing import IO, Protocol, cast

_LARGEST_READ_BYTES = 2**20
"""Of a header or a piece of content: a header may claim any size for itself."""
_SOURCE_BYTES = 2**18
_END_BYTES = 2 * tarfile.BLOCKSIZE


class Readable(Protocol):
    """A source of bytes: `read` returns at most `size` of them, and none at the end."""

    def read(self, size: int, /) -> bytes:
        """Read some bytes."""


class Tar:
    """The entries of a tar. Iterate over it once; `read` reads the content of the entry at hand.

    Raises tarfile.TarError, or ValueError, where the tar is not whole.
    """

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._ahead = bytearray()
        self._position = 0

    def __iter__(self) -> Iterator[tarfile.TarInfo]:
        tar: tarfile.TarFile | None = None
        while self._peek(tarfile.BLOCKSIZE).strip(b"\0"):
            header = self._position
            # It reads the first header as soon as it is made.
            tar = tar or tarfile.TarFile(fileobj=cast("IO[bytes]", self))
            entry = tar.next()
            if entry is None:
                raise tarfile.ReadError(f"the header at byte {header} is damaged")
            if entry.issparse():
                raise ValueError(f"{entry.name} is stored without its holes; make the archive without --sparse")
            content = -(-entry.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
            # Programs differ in where they go on behind the others.
            if entry.size < 0 or (entry.size and not entry.isreg()) or tar.offset != self._position + content:
                raise tarfile.ReadError(f"the header at byte {header}, of {entry.name}, gives a size that can't be")
            yield entry
            while self._position < tar.offset:
                self.read(min(tar.offset - self._position, _LARGEST_READ_BYTES))
        self._read_end()

    def read(self, size: int, /) -> bytes:
        """Read exactly `size` bytes; raises tarfile.ReadError where they are not there."""
        if not 0 <= size <= _LARGEST_READ_BYTES:
            raise tarfile.ReadError(f"the header before byte {self._position} has a size of {size}")
        block = self._peek(size)
        del self._ahead[:size]
        self._position += size
        return block

    def tell(self) -> int:
        """How many bytes were read."""
        return self._position

    def _peek(self, size: int) -> bytes:
        while len(self._ahead) < size:
            piece = self._source.read(_SOURCE_BYTES)
            if not piece:
                raise tarfile.ReadError(f"it ends at byte {self._position + len(self._ahead)}, before its end mark")
            self._ahead += piece
        return bytes(self._ahead[:size])

    def _read_end(self) -> None:
        """Read the end mark, two blocks of zeros, and what pads it."""
        length, piece = 0, bytes(self._ahead)
        while piece:
            if piece.strip(b"\0"):
                raise tarfile.ReadError(f"it goes on after its end mark at byte {self._position}; are two joined?")
            length += len(piece)
            piece = self._source.read(_SOURCE_BYTES)
        if length < _END_BYTES:
            raise tarfile.ReadError(f"it ends at byte {self._position + length}, before its end mark")
