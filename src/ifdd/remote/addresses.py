"""Addresses of videos and what must not be shown of them: users, passwords and tokens."""

import re

ADDRESS = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
"""The beginning of an address, with its scheme."""

PACKAGES = {
    "s3": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "memory": "fsspec",  # within this process: for tests
}
"""Scheme of an address in a storage -> the package that reads it."""

# The second form is a password with a slash: a user and a colon that no port follows. Access points (arn:aws:...) have
# colons, too.
_PASSWORD = re.compile(r"//(?:[^/]*@|(?!arn:aws)[^/@:\[]*:(?![0-9]{1,5}(?:[/?#]|$)).*@)")
_SECRET = re.compile(
    r"([?&;#](?:"
    r"[^=&;#]*(?:token|secret|passw|passphrase|credential|signature|session|authori[sz]ation)[^=&;#]*"
    r"|(?:[^=&;#]*[-_.])?(?:user(?:name)?|usr|login\w*|pass|pas|pwd|psw|pw|sig|hmac|auth|jwt|sid|\w*key(?:id)?)"
    r")=)[^&;#]*",
    re.IGNORECASE,
)
"""A parameter of an address whose name sounds like a credential."""


def is_address(source: str) -> bool:
    """Whether a source is an address rather than a path."""
    return ADDRESS.match(source) is not None


def hide_password(source: str) -> str:
    """Return an address without the user and the password in it.

    Example:
        >>> from ifdd.remote.addresses import hide_password
        >>> hide_password("rtsp://me:p@ss@camera/stream"), hide_password("http://camera/video?user=me&pwd=p&id=2")
        ('rtsp://***@camera/stream', 'http://camera/video?user=***&pwd=***&id=2')
    """
    scheme = ADDRESS.match(source)
    if scheme is None:
        return source
    shown = _PASSWORD.sub("//***@", source, count=1)
    if scheme[1].lower() in PACKAGES and "?" not in shown:  # names of objects may hold what separates parameters
        return shown
    return _SECRET.sub(r"\1***", shown)
