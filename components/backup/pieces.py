"""Streams of bytes whose end is told from a broken connection. Each is an iterable of byte strings."""
import hashlib
import io

SIZE = 1 << 18
# What a backup begins with that is encrypted (sealing.py); those of earlier versions are not.
MARK = b"wiab-sealed-1\n"


def parts(read):
    """All that a read function gives."""
    while part := read(SIZE):
        yield part


def framed(stream):
    """The stream in pieces, each with its length before it, and its checksum at the end."""
    digest = hashlib.sha256()
    for piece in stream:
        if piece:
            digest.update(piece)
            yield b"%d\n" % len(piece)
            yield piece
    yield b"0\n%s\n" % digest.hexdigest().encode()


def unframed(source, digest=None):
    """What framed() has made pieces of, read from a file; EOFError if it is not complete. A digest is told of all of it."""
    digest = hashlib.sha256() if digest is None else digest
    while True:
        line = source.readline(16)
        if not line.endswith(b"\n"):
            raise EOFError("the stream has broken off")
        left = int(line)
        if left == 0:
            break
        while left > 0:
            piece = source.read(min(left, SIZE))
            if not piece:
                raise EOFError("the stream has broken off")
            digest.update(piece)
            yield piece
            left -= len(piece)
    if source.readline(80).decode().strip() != digest.hexdigest():
        raise EOFError("the stream has been damaged on its way")


class _Raw(io.RawIOBase):
    def __init__(self, stream):
        self.stream, self.rest = iter(stream), b""

    def readable(self):
        return True

    def readinto(self, buffer):
        while not self.rest:
            try:
                self.rest = next(self.stream)
            except StopIteration:
                return 0
        piece, self.rest = self.rest[: len(buffer)], self.rest[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)


def file_of(stream):
    """A stream as a file to read from."""
    return io.BufferedReader(_Raw(stream), SIZE)
