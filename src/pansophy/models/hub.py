"""One file over HTTP into a growing partial file, going on where it stopped. Knows nothing of models or hashes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx

from pansophy.errors import AuthenticationFailed, EndpointUnavailable, ModelError, UnknownModel

CONNECT_SECONDS = 3.0
STALL_SECONDS = 60.0


def download(url: str, partial: Path, *, token: str | None, report: Callable[[int], None]) -> None:
    """Fetch `url` into `partial`, after the bytes that it already holds.

    Args:
        url: the file's address; redirects are followed (the token goes only to the first host).
        partial: the file to write; kept when the download breaks off.
        token: an access token for the hub.
        report: called with the number of bytes present.

    Raises:
        ModelError: the address can't be reached (in 3 s), refuses, has no such file, or breaks off.
    """
    headers = {"Accept-Encoding": "identity"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    present = partial.stat().st_size if partial.exists() else 0
    if present:
        headers["Range"] = f"bytes={present}-"
    timeout = httpx.Timeout(STALL_SECONDS, connect=CONNECT_SECONDS)
    host = httpx.URL(url).host
    try:
        with (
            httpx.Client(follow_redirects=True, timeout=timeout) as client,
            client.stream("GET", url, headers=headers) as response,
        ):
            if response.status_code == 416:  # everything is there already
                return
            _check(response, url)
            _write(response, partial, present if response.status_code == 206 else 0, report)
    except httpx.ConnectTimeout:
        raise EndpointUnavailable(f"The hub ({host}) can't be reached in {CONNECT_SECONDS:.0f} s.") from None
    except httpx.ConnectError as error:
        raise EndpointUnavailable(f"The hub ({host}) can't be reached ({error}).") from None
    except httpx.HTTPError as error:
        raise EndpointUnavailable(f"The hub ({host}) broke off ({error or type(error).__name__}).") from None


def _write(response: httpx.Response, partial: Path, start: int, report: Callable[[int], None]) -> None:
    with partial.open("r+b" if start else "wb") as out:
        out.truncate(start)
        out.seek(start)
        done = start
        for block in response.iter_raw():
            out.write(block)
            done += len(block)
            report(done)
    expected = response.headers.get("content-length")
    if expected is not None and done - start != int(expected):
        raise EndpointUnavailable(f"The hub sent {done - start:,} bytes of {int(expected):,}.")


def _check(response: httpx.Response, url: str) -> None:
    status = response.status_code
    if status in (200, 206):
        if response.headers.get("content-type", "").startswith("text/html"):
            raise EndpointUnavailable(f"The hub sent a web page in place of {url}: a proxy or a login stands between.")
        return
    error: type[ModelError] = EndpointUnavailable
    if status in (401, 403):
        # The hub answers 401 for repositories that don't exist as well.
        raise AuthenticationFailed(f"The hub refused {url} ({status}): it is private, gated (set HF_TOKEN) or absent.")
    if status == 404:
        error = UnknownModel
    raise error(f"The hub replied {status} to {url}.")
