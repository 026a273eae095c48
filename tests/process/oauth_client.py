"""A client of an OAuth server, as agents are: it reads the server's metadata, registers itself, and asks a user."""

import base64
import hashlib
import json
import secrets
import urllib.error
import urllib.request
from http.client import HTTPMessage
from http.cookiejar import CookieJar
from typing import IO, Any
from urllib.parse import parse_qs, urlencode, urlsplit

from app.auth.issuer_metadata import well_known
from tests.waiting import LONGEST_WAIT_SECONDS

CALLBACK = "http://127.0.0.1:9/callback"


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        """Follow none: each is looked at."""


class OAuthClient:
    """A public client with PKCE (RFC 7636). The cookies are those of the user's browser."""

    def __init__(self, issuer: str, cookies: CookieJar) -> None:
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(cookies), _NoRedirects()
        )
        self.metadata = json.loads(self._send(next(well_known(issuer)))[0])
        self.id = self.register(token_endpoint_auth_method="none", application_type="native")["client_id"]

    def register(self, **metadata: Any) -> dict[str, Any]:
        """Register a client (RFC 7591)."""
        body = {"redirect_uris": [CALLBACK], **metadata}
        return dict(json.loads(self._send(self.metadata["registration_endpoint"], as_json=body)[0]))

    def tokens(self, scope: str, resource: str | None) -> dict[str, Any]:
        """Return what the token endpoint gives, once the user has agreed."""
        verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        of_resource = {"resource": resource} if resource else {}
        asked = {"response_type": "code", "client_id": self.id, "redirect_uri": CALLBACK, "scope": scope}
        asked |= {"code_challenge": challenge, "code_challenge_method": "S256", "state": "x", **of_resource}
        _, page = self._send(f"{self.metadata['authorization_endpoint']}?{urlencode(asked)}")
        if not page.startswith(CALLBACK):
            page = self._agree(urlsplit(page).query)
        code = parse_qs(urlsplit(page).query)["code"][0]
        given = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier, "client_id": self.id}
        return self.exchange(redirect_uri=CALLBACK, **given, **of_resource)

    def exchange(self, **form: str) -> dict[str, Any]:
        """Return the answer of the token endpoint."""
        return dict(json.loads(self._send(self.metadata["token_endpoint"], as_form=form)[0]))

    def _agree(self, signed_query: str) -> str:
        """Agree as the user does on the page of consent, where the server asks only once; return where it leads."""
        body = {"accept": True, "oauth_query": signed_query}
        answer, _ = self._send(f"{self.metadata['issuer']}/oauth2/consent", as_json=body)
        return str(json.loads(answer)["url"])

    def _send(
        self, url: str, as_json: dict[str, Any] | None = None, as_form: dict[str, str] | None = None
    ) -> tuple[str, str]:
        """Return the body and the Location of the answer."""
        parts = urlsplit(url)
        request = urllib.request.Request(url, headers={"Origin": f"{parts.scheme}://{parts.netloc}"})
        if as_json is not None:
            request.data = json.dumps(as_json).encode()
            request.add_header("Content-Type", "application/json")
        if as_form is not None:
            request.data = urlencode(as_form).encode()
        try:
            with self._opener.open(request, timeout=LONGEST_WAIT_SECONDS) as answer:
                return answer.read().decode(), ""
        except urllib.error.HTTPError as answer:
            with answer:
                if answer.code not in (302, 303):
                    raise AssertionError(answer.read().decode()) from None
                return answer.read().decode(), answer.headers["Location"]
