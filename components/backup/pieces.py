"""A stream in pieces, so that its end is told from a broken connection."""
import hashlib

SIZE = 1 << 18


def send(read, out):
    """Sends all that read gives, then its checksum."""
    digest = hashlib.sha256()
    while piece := read(SIZE):
        digest.update(piece)
        out.write(b"%d\n" % len(piece))
        out.write(piece)
    out.write(b"0\n%s\n" % digest.hexdigest().encode())
    out.flush()


def receive(source, write):
    """Hands over all pieces of a stream and gives its checksum; EOFError if it is not complete."""
    digest = hashlib.sha256()
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
            write(piece)
            left -= len(piece)
    if source.readline(80).decode().strip() != digest.hexdigest():
        raise EOFError("the stream has been damaged on its way")
    return digest.hexdigest()
