"""Encrypts a stream for whoever holds a private key, by OpenSSL's CMS (RFC 5652 and 5083): AES-256-GCM, its key agreed
on by ECDH.

A sealed stream is MARK, then messages of CMS, each with its length before it. What is in them is, put together, a stream
in pieces with its checksum (pieces.py): no message can be missing, come twice or stand in another place unnoticed."""
import os
import subprocess

from pieces import MARK, file_of, framed, unframed

# Bytes in a message: OpenSSL has all of one in memory, about three times, when it decrypts it.
MESSAGE = 1 << 24


def sealed(stream, certificate):
    """The stream as only the holder of the certificate's private key can read it."""
    plain = file_of(framed(stream))
    yield MARK
    for block in iter(lambda: plain.read(MESSAGE), b""):
        options = ["-encrypt", "-binary", "-outform", "DER", "-aes-256-gcm", "-recip", certificate]
        message = cms([*options, "-keyopt", "ecdh_kdf_md:sha256"], block)
        yield b"%d\n" % len(message)
        yield message


def opened(source, key):
    """What sealed() was given, read from a file behind its MARK. ValueError for another key, EOFError for damage."""

    def messages():
        while line := source.readline(16):
            message = source.read(int(line))
            if len(message) != int(line):
                raise EOFError("the stream has broken off")
            yield decrypted(message, key)

    plain = file_of(messages())
    yield from unframed(plain)
    if plain.read(1):
        raise EOFError("something follows the end of the stream")


def decrypted(message, key):
    # No file has the key, and no command line: it fits into a pipe whole.
    reading, writing = os.pipe()
    try:
        os.write(writing, key)
        os.close(writing)
        return cms(["-decrypt", "-inform", "DER", "-inkey", f"/dev/fd/{reading}"], message, [reading])
    except ChildProcessError:
        raise ValueError("it was sealed for another key, or has been altered") from None
    finally:
        os.close(reading)


def cms(options, text, files=()):
    run = subprocess.run(["openssl", "cms", *options], input=text, capture_output=True, pass_fds=files)
    if run.returncode != 0:
        raise ChildProcessError(f"openssl cms has ended with {run.returncode}: {run.stderr.decode()[-300:]}")
    return run.stdout
