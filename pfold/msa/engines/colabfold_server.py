"""A ColabFold-compatible MSA server: polite (one request at a time, waits as told), and resumed where it was left."""

import io
import json
import logging
import tarfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pfold.errors import ConfigError, InputError, SearchError
from pfold.files import digest, read_record, write_json
from pfold.logs import progress
from pfold.msa.a3m import Alignment, parse_a3m, query_only
from pfold.msa.engines.engine import Engine, Found, Query
from pfold.msa.pairing import with_taxon
from pfold.msa.settings import SearchSettings

logger = logging.getLogger(__name__)

# Seconds between questions after a job, between retries of a request, and until a request is given up.
POLL_SECONDS = 10.0
RETRY_SECONDS = 30.0
TIMEOUT_SECONDS = 60.0
# Questions after a job between two lines of the log that say so.
POLLS_A_LINE = 6
MAX_RETRIES = 5
# HTTP's status for a client that asks too often.
TOO_MANY = 429
# Queries are numbered from here in a request, as the server's answers number them.
FIRST_QUERY = 101
# Most sequences of a request.
MAX_QUERIES = 50
_ALIGNMENTS = ("uniref.a3m", "bfd.mgnify30.metaeuk30.smag30.a3m")


class ColabFoldServer(Engine):
    """The engine "colabfold_server"; notes of jobs under way let an interrupted search ask for the same job again."""

    def __init__(self, settings: SearchSettings, sleep: Callable[[float], None] = time.sleep) -> None:
        super().__init__(settings)
        self._sleep = sleep

    def check(self) -> None:
        """See `Engine.check`."""
        if not self.settings.server.startswith(("http://", "https://")):
            raise ConfigError(
                'search.engine is "colabfold_server" but search.server is not the address of one, such as '
                "https://api.colabfold.com; sequences are sent there"
            )

    def files(self) -> list[Path]:
        """None here."""
        return []

    def identity(self) -> str:
        """See `Engine.identity`; what the server's databases hold is not known."""
        return digest(self.settings.engine, self.settings.server, self.settings.max_hits)

    def search(self, queries: Sequence[Query], pending: Path, cpus: int) -> Found:
        """See `Engine.search`. Raises SearchError where the server can't be reached or fails."""
        parts = [queries[i : i + MAX_QUERIES] for i in range(0, len(queries), MAX_QUERIES)]
        for part in progress(parts, "search", "request"):
            yield from self._request_alignments(part, pending)

    def _request_alignments(self, queries: Sequence[Query], pending: Path) -> Found:
        server, sequences = self.settings.server, [query.sequence for query in queries]
        note = pending / f"{digest('server', server, sorted(sequences))}.json"
        ticket = _ticket(note, server, sequences, self._sleep)
        raw = _request(f"{server}/result/download/{ticket}", None, self._sleep)
        answer = _read_answer(raw, server)
        note.unlink(missing_ok=True)
        for number, query in enumerate(queries, start=FIRST_QUERY):
            try:
                yield query.key, self._limited(_merged(answer.get(number, []), query.sequence, server))
            except InputError as error:
                logger.error("%s", error)


def _merged(texts: Sequence[str], sequence: str, server: str) -> Alignment:
    """The rows of a query's alignments. Raises InputError for one that is another sequence's."""
    alignment = query_only(sequence)
    for text in texts:
        rows = parse_a3m(text.splitlines(), sequence, f"{server}'s answer")
        alignment = alignment + Alignment(tuple(with_taxon(d) for d in rows.descriptions), rows.sequences)
    return alignment


def _ticket(note: Path, server: str, sequences: list[str], sleep: Callable[[float], None]) -> str:
    """The id of the finished job, submitted now or found in the note of an earlier run."""
    known = read_record(note, "id")
    if known is not None:
        ticket = str(known["id"])
        logger.info("%s: job %s of an earlier run is asked for again", server, ticket)
        answer = _ask(f"{server}/ticket/{ticket}", None, sleep)
        if answer.get("status") in ("UNKNOWN", "ERROR"):
            note.unlink(missing_ok=True)
            return _ticket(note, server, sequences, sleep)
    else:
        query = "".join(f">{FIRST_QUERY + i}\n{sequence}\n" for i, sequence in enumerate(sequences))
        answer = _submit(server, query, sleep)
        ticket = str(answer["id"])
        write_json(note, {"id": ticket, "server": server})
        logger.info("%s: job %s with %d sequences", server, ticket, len(sequences))
    n_poll = 0
    while answer.get("status") in ("PENDING", "RUNNING", "UNKNOWN"):
        if n_poll % POLLS_A_LINE == 0:
            waited = n_poll * POLL_SECONDS / 60
            logger.info("%s: job %s is %s; waiting, %.0f minutes so far", server, ticket, answer["status"], waited)
        n_poll += 1
        sleep(POLL_SECONDS)
        answer = _ask(f"{server}/ticket/{ticket}", None, sleep)
    if answer.get("status") != "COMPLETE":
        note.unlink(missing_ok=True)
        raise SearchError(f"{server}: job {ticket} ended as {answer.get('status')}; try again later")
    return ticket


def _submit(server: str, query: str, sleep: Callable[[float], None]) -> dict[str, Any]:
    for attempt in range(1, MAX_RETRIES + 1):
        answer = _ask(f"{server}/ticket/msa", {"q": query, "mode": "env"}, sleep)
        status = answer.get("status")
        if status == "MAINTENANCE":
            raise SearchError(f"{server} is under maintenance; try again later")
        if status == "ERROR" or (status not in ("RATELIMIT", "UNKNOWN") and "id" not in answer):
            raise SearchError(f"{server} refused the sequences ({answer}); check that they are proteins")
        if status not in ("RATELIMIT", "UNKNOWN"):
            return answer
        logger.info("%s: rate limit, attempt %d of %d", server, attempt, MAX_RETRIES)
        sleep(RETRY_SECONDS * attempt)
    raise SearchError(f"{server}: still over its rate limit after {MAX_RETRIES} attempts; try again later")


def _ask(url: str, form: Mapping[str, str] | None, sleep: Callable[[float], None]) -> dict[str, Any]:
    raw = _request(url, form, sleep)
    try:
        return dict(json.loads(raw))
    except (ValueError, TypeError):
        raise SearchError(f"{url} did not answer with JSON, as a ColabFold server does") from None


def _request(url: str, form: Mapping[str, str] | None, sleep: Callable[[float], None]) -> bytes:
    data = urllib.parse.urlencode(form).encode() if form else None
    for attempt in range(1, MAX_RETRIES + 1):
        request = urllib.request.Request(url, data=data, headers={"User-Agent": "pfold"})
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
                return bytes(response.read())
        except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
            if isinstance(error, urllib.error.HTTPError) and error.code in range(400, 500) and error.code != TOO_MANY:
                raise SearchError(f"{url} refused the request ({error}); check search.server") from None
            if attempt == MAX_RETRIES:
                raise SearchError(
                    f"{url} can't be reached ({error}). What was found is kept, and the next run goes on from there. "
                    "Behind a proxy set HTTPS_PROXY; without a network use a local search"
                ) from None
            again = f"asked again in {RETRY_SECONDS:.0f} s"
            logger.warning("%s can't be reached (%s); attempt %d of %d, %s", url, error, attempt, MAX_RETRIES, again)
            sleep(RETRY_SECONDS)
    raise AssertionError("unreachable")


def _read_answer(raw: bytes, server: str) -> dict[int, list[str]]:
    """Alignments by query number; each file holds those of all queries, a NUL between them."""
    rows: dict[int, list[str]] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(raw), mode="r:gz") as archive:
            for member in archive.getmembers():
                handle = archive.extractfile(member) if Path(member.name).name in _ALIGNMENTS else None
                if handle is None:
                    continue
                for block in handle.read().decode("ascii", "replace").split("\0"):
                    number = block.lstrip(">\n").split("\n", 1)[0].split("\t")[0].strip()
                    if number.isdigit():
                        rows.setdefault(int(number), []).append(block)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise SearchError(f"{server} did not answer with an archive of alignments ({error})") from None
    if not rows:
        raise SearchError(f"{server}'s answer holds no alignment")
    return rows
