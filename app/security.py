"""The optional API key."""

from __future__ import annotations

import hmac

from pydantic import SecretStr
from starlette.requests import Request

from app.problems import Problem

_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="tastespace"'}


def check_key(request: Request, api_key: SecretStr | None) -> None:
    """Let the request pass when no key is set or it bears the right one.

    Raises:
        Problem: 401 with a challenge. The comparison takes the same time for any wrong key.
    """
    if api_key is None:
        return
    scheme, _, offered = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not offered.strip():
        raise Problem("unauthorized", "Send the API key as `Authorization: Bearer KEY`.", headers=_CHALLENGE)
    expected = api_key.get_secret_value().encode()
    # Header bytes arrive decoded as Latin-1.
    if not hmac.compare_digest(offered.strip().encode("latin-1", "replace"), expected):
        raise Problem("unauthorized", "The API key is wrong.", headers=_CHALLENGE)
