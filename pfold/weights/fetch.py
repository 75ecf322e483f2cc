"""Download a published checkpoint; an interrupted download resumes."""

import logging
import sys
import urllib.error
import urllib.request
from pathlib import Path

from tqdm import tqdm

from pfold.errors import WeightsError
from pfold.weights.load import cache_folder, check_layout, read_checkpoint
from pfold.weights.published import ModelSettings

logger = logging.getLogger(__name__)

_BLOCK = 1 << 20
_TIMEOUT = 60.0
_RANGE_NOT_SATISFIABLE = 416


def fetch_weights(settings: ModelSettings, folder: Path | None = None, url: str | None = None) -> Path:
    """Download a model's checkpoint into the cache and check its layout; returns the file.

    Raises WeightsError where the network can't be reached or what arrives is not the model's checkpoint.
    """
    folder = folder or cache_folder()
    path = folder / f"{settings.name}.pt"
    if path.is_file():
        logger.info("%s is there already", path)
        return path
    folder.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".pt.part")
    try:
        _download(url or settings.url, partial)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise WeightsError(
            f"{url or settings.url} can't be reached ({error}). What arrived is kept in {partial} and the next fetch "
            f"goes on from there. Behind a proxy set HTTPS_PROXY; without a network copy the file to {path}"
        ) from None
    checked = partial.rename(folder / f"unchecked-{settings.name}.pt")
    check_layout(settings, read_checkpoint(checked), str(checked))
    return checked.rename(path)


def _download(url: str, partial: Path) -> None:
    have = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        if have and error.code == _RANGE_NOT_SATISFIABLE:
            return
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
