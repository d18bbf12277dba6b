"""README.md and the pages of docs/ against the program: what they name must exist, and what must be named is."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from dotenv import dotenv_values
from faults.catalog import load_all

import tsv_parser
from powerview import __main__ as powerview_commands
from powerview import __version__
from powerview.settings import DEFAULTS

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "SECURITY.md",
         ROOT / "grafana-automation/README.md"]  # fmt: skip
HISTORY = ROOT / "CHANGELOG.md"  # may name what is gone; only its links are looked at
TEXTS = {page: page.read_text(encoding="utf-8") for page in [*PAGES, HISTORY]}

MADE_BY_A_RUN = ("demo/out", "envs", ".venv", "secrets")


def path_of(page: Path) -> str:
    """A page as test reports show it."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path, language: str = "shell") -> list[str]:
    """The fenced blocks of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", TEXTS[page], re.DOTALL | re.MULTILINE)


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^```.*?^```", "", TEXTS[page], flags=re.DOTALL | re.MULTILINE)


def inline(page: Path) -> list[str]:
    """What stands between single backticks."""
    return re.findall(r"`([^`\n]+)`", prose(page))


def command_lines(page: Path) -> list[list[str]]:
    """Every command of a page, in blocks and inline, as words; comments, `sudo …` and settings before it left out."""
    lines = [line for block in blocks(page) for line in block.replace("\\\n", " ").splitlines()]
    found = []
    for line in [*lines, *inline(page)]:
        for part in re.split(r"&&|\|\||[|;]", line):
            with contextlib.suppress(ValueError):  # a quote that does not end: it was cut at a | inside quotes
                words = shlex.split(part, comments=True)
                while words and (words[0] == "sudo" or re.fullmatch(r"[A-Z_]+=.*", words[0])):
                    words = words[3:] if words[:2] == ["sudo", "-u"] else words[1:]
                found.append(words)
    return [words for words in found if words]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", TEXTS[page], flags=re.DOTALL | re.M), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def parses(parser, arguments: list[str]) -> str | None:
    """What argparse objects to, or None."""
    complaint = io.StringIO()
    with contextlib.redirect_stderr(complaint), contextlib.redirect_stdout(io.StringIO()):
        try:
            parser.parse_args(arguments)
        except SystemExit as end:
            return complaint.getvalue() if end.code else None
    return None


def objection(words: list[str]) -> str | None:
    """What one of our programs objects to in a command; None if nothing, or if it is another program's."""
    program, *arguments = words
    if program.endswith("tsv_parser.py"):
        return parses(tsv_parser.parser(), arguments)
    if arguments[:2] == ["-m", "powerview"] and arguments[2:]:
        return parses(powerview_commands.parser(), arguments[2:])
    if program.endswith("on-upload.sh"):
        return None if arguments in ([], ["sweep"]) else "the hook knows no such command"
    if program.endswith("install.sh"):
        usage = subprocess.run(["bash", ROOT / "deploy/install.sh", "--help"], capture_output=True, text=True).stdout
        unknown = {word for word in arguments if word.startswith("--")} - set(re.findall(r"--[a-z-]+", usage))
        return f"unknown: {unknown}" if unknown else None
    return None


every_page = pytest.mark.parametrize("page", PAGES, ids=path_of)


# ── settings ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def settings_table() -> dict[str, str]:
    """The table of settings in docs/install.md: variable → default as it is shown."""
    section = TEXTS[ROOT / "docs/install.md"].split("\n## Settings\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \| (.*?) \| .* \|$", section, re.MULTILINE)
    return {name: default for names, default in rows for name in re.findall(r"`([A-Z_]+)`", names)}


def test_every_setting_is_listed():
    assert set(settings_table()) == set(DEFAULTS)


def test_the_defaults_are_shown():
    shown = {name: default.strip("`") for name, default in settings_table().items()}
    assert shown == {name: default or "" for name, default in DEFAULTS.items()}


def test_env_sample_names_every_setting_with_its_default():
    sample = dotenv_values(ROOT / ".env.sample", interpolate=False)
    assert set(sample) == set(DEFAULTS)
    differing = {name for name, value in sample.items() if value and value != DEFAULTS[name]}
    assert differing == {"INFLUXDB_HOST"}, "only the address of InfluxDB has no default but a value in the sample"


def test_env_sample_explains_each_setting():
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


def playbook_variables() -> set[str]:
    """The variables that only playbooks read."""
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "grafana-automation/playbooks").rglob("*.y*ml")]
    return set(re.findall(r"\bPOWERVIEW_[A-Z_]+\b", "\n".join(texts)))


def program_words() -> set[str]:
    """Every word in capitals with an underscore in it that a program, a unit or a test names."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    files = [ROOT / path for path in listed if path and not path.endswith((".md", ".tsv", ".expected", ".json"))]
    files = [path for path in files if path != Path(__file__).resolve() and path.is_file()]
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in files]
    return {word for text in texts for word in re.findall(r"[A-Z][A-Z0-9]*_[A-Z0-9_]+", text)}


@every_page
def test_every_variable_exists(page):
    named = set(re.findall(r"(?<![\w$])[A-Z][A-Z0-9]*(?:_+[A-Z][A-Z0-9]*)+", TEXTS[page])) - {"YYMMDD_HHMMSS"}
    settings = {word for word in named if word.startswith(("INFLUXDB_", "POWERVIEW_", "GRAFANA_"))}
    of_the_tests = {"GRAFANA_HOME"}
    assert settings - set(DEFAULTS) - playbook_variables() - of_the_tests == set()
    assert named - settings - program_words() == set()


def test_every_variable_of_a_playbook_is_explained():
    assert playbook_variables() - set(DEFAULTS) <= set(re.findall(r"\w+", TEXTS[ROOT / "docs/grafana.md"]))


# ── commands ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@every_page
def test_every_block_is_shell_that_parses(page):
    for block in blocks(page):
        parsed = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True)
        assert (parsed.returncode, parsed.stderr) == (0, ""), block


@every_page
def test_every_command_of_ours_parses(page):
    complaints = {shlex.join(words): objection(words) for words in command_lines(page)}
    assert {command: wrong for command, wrong in complaints.items() if wrong} == {}


def test_every_command_of_powerview_is_documented():
    named = {
        words[3] for page in PAGES for words in command_lines(page) if words[1:3] == ["-m", "powerview"] and words[3:]
    }
    known = {name for action in powerview_commands.parser()._actions for name in (action.choices or ())}
    assert known
    assert named >= known


def test_every_make_target_exists_and_is_documented():
    named = {words[1] for page in PAGES for words in command_lines(page) if words[0] == "make" and len(words) > 1}
    named |= {words[-1] for page in PAGES for words in command_lines(page) if words[-2:-1] == ["make"]}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = set(re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split())
    assert named <= phony
    assert phony - named <= {"setup", "setup-tests", "test-plan"}, "what the others need; nobody types it"


def test_every_playbook_exists_and_is_documented():
    named = {match for page in PAGES for match in re.findall(r"\b(\w+\.yml)\b", TEXTS[page])}
    there = {path.name for path in (ROOT / "grafana-automation/playbooks").glob("*.yml")}
    assert named == there
    assert there <= set(re.findall(r"\b(\w+\.yml)\b", TEXTS[ROOT / "docs/grafana.md"]))


def test_every_fault_in_the_table_is_one_of_make_faults():
    shown = re.findall(r"^\| (\w+: .+?) \|.*\| 0 \| 0 \| 0 \|$", TEXTS[ROOT / "docs/promises.md"], re.MULTILINE)
    assert shown
    assert set(shown) <= {f"{one.group}: {one.name}" for one in load_all()}


# ── paths and links ──────────────────────────────────────────────────────────────────────────────────────────────────


@every_page
def test_every_path_exists(page):
    top = {path.name for path in ROOT.iterdir() if path.is_dir()}
    words = re.findall(r"[\w./-]+", "\n".join([*inline(page), *blocks(page)]))
    ours = [word.removeprefix("/srv/powerview").strip("/").removeprefix("./") for word in words]
    script = re.compile(r"[\w-]+\.(py|sh)")
    here = [word for word in ours if ("/" in word and word.split("/")[0] in top) or script.fullmatch(word)]
    lasting = [word for word in here if not word.startswith(MADE_BY_A_RUN)]
    assert [word for word in lasting if not (ROOT / word).exists()] == []


@pytest.mark.parametrize("page", TEXTS, ids=path_of)
def test_every_link_leads_somewhere(page):
    links = re.findall(r"\]\(([^)\s]+)\)|<img [^>]*src=\"([^\"]+)\"", TEXTS[page])
    for link in (first or second for first, second in links):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_is_linked_from_the_readme():
    for page in [*(ROOT / "docs").glob("*.md"), HISTORY, ROOT / "SECURITY.md"]:
        assert f"]({path_of(page)})" in TEXTS[ROOT / "README.md"]


def test_the_pictures_are_of_one_width_and_small():
    pictures = sorted((ROOT / "docs").glob("*.png"))
    assert [picture.name for picture in pictures] == ["dashboard.png", "preview.png"]
    for picture in pictures:
        content = picture.read_bytes()
        assert int.from_bytes(content[16:20]) == 1400, "the width, in a PNG's first chunk"
        assert len(content) < 200_000


def test_the_readme_is_short():
    assert len(TEXTS[ROOT / "README.md"].splitlines()) <= 150


# ── the version ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("command", [["tsv_parser.py"], ["-m", "powerview"]], ids=["tsv_parser.py", "powerview"])
def test_the_programs_show_the_version(command):
    shown = subprocess.run([sys.executable, *command, "--version"], cwd=ROOT, capture_output=True, text=True)
    assert (shown.returncode, shown.stdout, shown.stderr) == (0, f"PowerView {__version__}\n", "")


def test_the_changelog_has_the_version_or_a_section_for_what_is_to_come():
    headings = re.findall(r"^## (.+)$", TEXTS[HISTORY], re.MULTILINE)
    released = re.fullmatch(r"\d+\.\d+\.\d+", __version__)
    assert headings[0] == "Unreleased" or (released and headings[0].startswith(f"{__version__} - "))
