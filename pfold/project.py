"""A folder to work in: `pfold init` writes its configuration and profiles, `pfold run` runs the workflow there."""

import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from pfold.config import config_schema
from pfold.errors import ConfigError
from pfold.files import write_text
from pfold.share import shared

CONFIGURATION = "config.yaml"
PROFILES = "profiles"
_HEADER = """\
# Configuration of pfold. Name your targets, and a database under `search`; then run `pfold doctor`, which looks whether
# all is there, and `pfold run`. Every key is optional except targets. An unknown key is an error. Relative paths are
# relative to this file; "~" is your home.
"""
# What stands in a new configuration instead of the schema's default.
_EXAMPLES = {"targets": ["my_proteome.fasta"]}
# Lines of the demo's configuration that are of the demo alone.
_REMARK = "# Demo:"
_KEY = re.compile(r"( *)(\w+):")


def init_project(folder: Path) -> list[Path]:
    """Write a commented configuration and the profiles into a folder; returns what was written.

    Raises ConfigError where one of them is there already.
    """
    configuration, profiles = folder / CONFIGURATION, folder / PROFILES
    for path in (configuration, profiles):
        if path.exists():
            raise ConfigError(f"{path} is there already, and is not replaced; name another folder")
    write_text(configuration, new_configuration())
    shutil.copytree(shared(PROFILES), profiles)
    return [configuration, *sorted(profiles.glob("*/config.yaml"))]


def new_configuration() -> str:
    """The commented configuration of the demo, every key at its default."""
    lines = [_HEADER.rstrip()]
    keys: list[tuple[int, str]] = []
    inside_value = False
    body = shared("config/config.yaml").read_text().splitlines()
    for line in body[next(i for i, line in enumerate(body) if not line.startswith("#")) :]:
        if line.lstrip().startswith(_REMARK):
            continue
        key = _KEY.match(line)
        if key is None:
            # Lines of a list below its key are replaced with the key's.
            inside_value = inside_value and bool(line.strip()) and not line.lstrip().startswith("#")
            lines += [] if inside_value else [line]
            continue
        keys = [known for known in keys if known[0] < len(key[1])] + [(len(key[1]), key[2])]
        default = _default([name for _, name in keys])
        inside_value = default is not None
        lines.append(line if default is None else f"{key[0]} {default}")
    return "\n".join(lines) + "\n"


def _default(keys: Sequence[str]) -> str | None:
    """A key's value in a new configuration as YAML; None for a key that holds others."""
    rule: Mapping[str, Any] = config_schema()
    for key in keys:
        rule = rule["properties"][key]
    if "properties" in rule:
        return None
    value = _EXAMPLES.get(".".join(keys), rule.get("default"))
    return yaml.safe_dump(value, default_flow_style=True, width=1000).removesuffix("\n").removesuffix("\n...")


def workflow_command(config: Path, profile: str, arguments: Sequence[str]) -> list[str]:
    """The command that runs the workflow with Snakemake.

    profile: a folder, or the name of one beside the configuration or of pfold's own. arguments: Snakemake's own.
    Raises ConfigError where the configuration or the profile does not exist.
    """
    if not config.is_file():
        raise ConfigError(f"{config} does not exist; `pfold init` writes a configuration, and --config names another")
    snakemake = [sys.executable, "-m", "snakemake", "--snakefile", str(shared("Snakefile"))]
    return [*snakemake, "--profile", str(_profile(config, profile)), *arguments, "--configfile", str(config)]


def _profile(config: Path, profile: str) -> Path:
    candidates = (Path(profile), config.parent / PROFILES / profile, shared(PROFILES) / profile)
    for folder in candidates:
        if (folder / "config.yaml").is_file():
            return folder
    known = sorted(path.parent.name for path in shared(PROFILES).glob("*/config.yaml"))
    raise ConfigError(f'there is no profile "{profile}"; name a folder, or one of {", ".join(known)}')
