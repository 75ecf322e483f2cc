"""Download a published checkpoint; an interrupted download resumes."""

import hashlib
import logging
import re
import sys
import urllib.error
import urllib.request
from pathlib import Path

from tqdm import tqdm

from pfold.errors import WeightsError
from pfold.weights.checkpoint import Checkpoint
from pfold.weights.load import cache_folder, cached_file
from pfold.weights.verify import verify_checkpoint

logger = logging.getLogger(__name__)

_BLOCK = 1 << 20
_TIMEOUT = 60.0
_RANGE_NOT_SATISFIABLE = 416
# An entity tag that is the content's MD5, as object stores give for files uploaded at once.
_MD5 = re.compile(r"[0-9a-f]{32}")


def fetch_weights(checkpoint: Checkpoint, folder: Path | None = None, url: str | None = None, sha256: str = "") -> Path:
    """Download a published checkpoint into the cache and verify it; returns the file.

    sha256: the digest it must have; without one the checksums in the file and the server's are compared. Raises
    WeightsError where the network can't be reached or what arrives is damaged or not the model's checkpoint.
    """
    folder = folder or cache_folder()
    there = cached_file(checkpoint.file, folder)
    if there is not None:
        logger.info("%s is there already", there)
        return there
    path = folder / checkpoint.file
    folder.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".pt.part")
    try:
        md5 = _download(url or checkpoint.url, partial)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise WeightsError(
            f"{url or checkpoint.url} can't be reached ({error}). What arrived is kept in {partial} and the next fetch "
            f"goes on from there. Behind a proxy set HTTPS_PROXY; without a network copy the file to {path}"
        ) from None
    checked = partial.rename(folder / f"unchecked-{checkpoint.file}")
    if md5 and _md5(checked) != md5:
        raise WeightsError(f"{checked}: its MD5 is not the server's ({md5}); remove the file and fetch it again")
    logger.info("%s: SHA-256 %s", checkpoint.name, verify_checkpoint(checkpoint, checked, sha256))
    return checked.rename(path)


def _md5(path: Path) -> str:
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "md5").hexdigest()


def _download(url: str, partial: Path) -> str:
    """Download into a file, from where an earlier download ended; returns the MD5 that the server names, or ""."""
    have = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        if have and error.code == _RANGE_NOT_SATISFIABLE:
            return ""
        raise
    with response:
        resumed = response.status == 206
        total = int(response.headers.get("Content-Length", 0)) + (have if resumed else 0)
        bar = tqdm(
            total=total, initial=have if resumed else 0, unit="B", unit_scale=True, disable=not sys.stderr.isatty()
        )
        with open(partial, "ab" if resumed else "wb") as handle, bar:
            while block := response.read(_BLOCK):
                handle.write(block)
                bar.update(len(block))
        if total and partial.stat().st_size < total:
            raise ConnectionError(f"the connection ended after {partial.stat().st_size} of {total} bytes")
        tag = str(response.headers.get("ETag", "")).strip('"')
        return tag if _MD5.fullmatch(tag) else ""
