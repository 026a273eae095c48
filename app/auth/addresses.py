"""When two e-mail addresses are the same."""

import unicodedata


def fold(email: str) -> str:
    """The form in which addresses are compared: without case, and the domain as the DNS has it.

    Lower case, and not str.casefold(), which makes one of two letters: strasse@ and straße@ may be two people. For the
    same reason labels are encoded as they are (RFC 5891): Python's `idna` is older, and maps ß to ss.
    """
    local, at, domain = email.rpartition("@")
    domain = unicodedata.normalize("NFKC", domain)
    return _lower(local) + at + ".".join(map(_ascii_label, _lower(domain).split(".")))


def _lower(text: str) -> str:
    # Both small sigmas have one capital, so whoever types capitals could not tell which is meant.
    lower = unicodedata.normalize("NFC", text).lower().replace("ς", "σ")
    return unicodedata.normalize("NFC", lower)


def _ascii_label(label: str) -> str:
    return label if label.isascii() else f"xn--{label.encode('punycode').decode()}"
