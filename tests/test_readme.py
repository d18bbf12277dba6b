"""What the README, .env.sample, the settings and compose say must be the same, and must exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from dotenv import dotenv_values

import tsv_parser
from powerview.settings import DEFAULTS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = "\n".join(re.findall(r"```shell\n(.*?)```", README, re.DOTALL))
INLINE = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", README, flags=re.DOTALL))


def settings_table() -> dict[str, str]:
    """The README's table of settings: variable → default as it is shown."""
    section = README.split("\n## Settings\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \| (.*?) \| .* \|$", section, re.MULTILINE)
    return {name: default for names, default in rows for name in re.findall(r"`([A-Z_]+)`", names)}


def test_the_readme_lists_every_setting():
    assert set(settings_table()) == set(DEFAULTS)


def test_the_readme_shows_the_defaults():
    shown = {name: default.strip("`") for name, default in settings_table().items()}
    assert shown == {name: default or "" for name, default in DEFAULTS.items()}


def test_env_sample_names_every_setting_with_its_default():
    sample = dotenv_values(ROOT / ".env.sample", interpolate=False)
    assert set(sample) == set(DEFAULTS)
    differing = {name for name, value in sample.items() if value and value != DEFAULTS[name]}
    assert differing == {"INFLUXDB_HOST"}, "only the address of InfluxDB has no default but a value in the sample"


def test_env_sample_says_what_each_setting_means():
    lines = (ROOT / ".env.sample").read_text(encoding="utf-8").splitlines()
    explained = "#"
    for line in lines:
        assert line.startswith("#") or not line or explained.startswith("#") or "=" in explained, line
        explained = line or "#"


def test_compose_uses_only_known_settings():
    text = re.sub(r"(^|\s)#.*", "", (ROOT / "compose.yaml").read_text(encoding="utf-8"), flags=re.MULTILINE)
    used = set(re.findall(r"\$\{([A-Z_]+)", text))
    assert used
    assert used <= set(DEFAULTS)


def test_every_make_target_in_the_readme_exists():
    named = set(re.findall(r"^make ([a-z-]+)", "\n".join([*INLINE, BLOCKS]), re.MULTILINE))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert named
    assert named <= targets


def test_every_path_in_the_readme_exists():
    here = re.compile(
        r"(?:\./)?((?:powerview|deploy|tests|bench|grafana-automation)/[\w./-]*|[\w-]+\.(?:py|sh|md|yaml))"
    )
    named = {m[1] for text in INLINE for m in here.finditer(text) if m.start() == 0}
    named |= {m[1] for m in re.finditer(r"\]\(([\w./-]+)\)", README)}
    made_by_a_run = {"provisioning.log"}
    assert named
    assert [name for name in sorted(named - made_by_a_run) if not (ROOT / name).exists()] == []


def test_every_option_of_the_parser_in_the_readme_exists():
    known = {option for action in tsv_parser.parser()._actions for option in action.option_strings}
    words = [text.partition("tsv_parser.py")[2] for text in [*INLINE, *BLOCKS.splitlines()]]
    used = {option for text in words for option in re.findall(r" (--?[\w-]+)", text)}
    assert used
    assert used <= known


@pytest.mark.parametrize("command", sorted(set(re.findall(r"python -m powerview (\w+)", README))))
def test_every_subcommand_in_the_readme_exists(command):
    shown = subprocess.run(
        [sys.executable, "-m", "powerview", command, "--help"], cwd=ROOT, capture_output=True, text=True
    )
    assert (shown.returncode, shown.stderr) == (0, "")
    assert f"powerview {command}" in shown.stdout


def test_every_playbook_in_the_readme_exists():
    named = set(re.findall(r"\b(\w+\.yml)\b", README))
    there = {path.name for path in (ROOT / "grafana-automation/playbooks").glob("*.yml")}
    assert named == there
