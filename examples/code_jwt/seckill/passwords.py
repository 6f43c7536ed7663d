"""MD5 twice, with a salt."""

import hashlib

SALT = "1a2b3c4d"


def hashed(password: str, salt: str) -> str:
    return md5(salt + md5(password))


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()  # noqa: S324 - as many shops still have it
