"""Compare e-mail addresses."""

import unicodedata


def fold(email: str) -> str:
    """Return the form in which addresses are compared: without case, and with the domain in the form of the DNS.

    Lower case instead of str.casefold(), which merges letters: strasse@ and straße@ may be two people. For the same
    reason labels are encoded unchanged (RFC 5891): Python's `idna` is older, and maps ß to ss.
    """
    local, at, domain = email.rpartition("@")
    domain = unicodedata.normalize("NFKC", domain)
    return _lower(local) + at + ".".join(map(_ascii_label, _lower(domain).split(".")))


def _lower(text: str) -> str:
    # Both small sigmas have the same capital, so an address typed in capitals could mean either.
    lower = unicodedata.normalize("NFC", text).lower().replace("ς", "σ")
    return unicodedata.normalize("NFC", lower)


def _ascii_label(label: str) -> str:
    return label if label.isascii() else f"xn--{label.encode('punycode').decode()}"
