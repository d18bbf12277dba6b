"""The two settings that `on-upload.sh` reads by itself, held against python-dotenv and powerview/settings.py."""

from __future__ import annotations

import io
import os
import subprocess
from pathlib import Path

import pytest
from dotenv import dotenv_values
from hypothesis import example, given, settings
from hypothesis import strategies as st

from powerview.settings import load_settings

SCRIPT = Path(__file__).resolve().parent.parent / "on-upload.sh"
FOLDERS = ("POWERVIEW_STATE_DIR", "POWERVIEW_LOG_DIR")
READ = """source "$1"; LC_ALL=C; HERE=/here; declare -A env_file=(); read_env_file "$2"
for name in POWERVIEW_STATE_DIR POWERVIEW_LOG_DIR; do printf '%s\\0' "${env_file[$name]-}"; done"""


def hook_reads(env_file: Path) -> list[str]:
    """The two values as the hook reads them; empty if there is none."""
    read = subprocess.run(["/bin/bash", "-c", READ, "test", SCRIPT, env_file], env={}, capture_output=True)
    assert (read.returncode, read.stderr) == (0, b"")
    return read.stdout.decode().split("\0")[:-1]


def dotenv_reads(text: str) -> list[str]:
    """The two values as python-dotenv reads them; empty if there is none."""
    values = dotenv_values(stream=io.StringIO(text, newline=None), interpolate=False)
    return [values.get(name) or "" for name in FOLDERS]


def dotenv_reads_each_line(text: str) -> list[str]:
    """The same of a file in which no quoted value goes over a line's end."""
    values = {}
    for line in text.removeprefix("\ufeff").replace("\r", "\n").split("\n"):
        values |= dotenv_values(stream=io.StringIO(line), interpolate=False)
    return [values.get(name) or "" for name in FOLDERS]


@pytest.mark.parametrize(
    "text",
    [
        "POWERVIEW_STATE_DIR=/srv/state\nPOWERVIEW_LOG_DIR=/srv/logs\n",
        "POWERVIEW_STATE_DIR=/srv/state\r\nPOWERVIEW_LOG_DIR=/srv/logs\r\n",
        "POWERVIEW_STATE_DIR=/srv/state\rPOWERVIEW_LOG_DIR=/srv/logs",
        "\ufeffPOWERVIEW_STATE_DIR=/srv/state",
        "export POWERVIEW_STATE_DIR=/srv/state\nexport\tPOWERVIEW_LOG_DIR = /srv/logs \t\n",
        "exportPOWERVIEW_STATE_DIR=/srv/state\nMY_POWERVIEW_LOG_DIR=/x\nPOWERVIEW_LOG_DIRS=/y",
        "# POWERVIEW_STATE_DIR=/srv/state\n  #POWERVIEW_LOG_DIR=/x",
        "POWERVIEW_STATE_DIR=\nPOWERVIEW_LOG_DIR",
        "POWERVIEW_STATE_DIR=/a\nPOWERVIEW_STATE_DIR=/b\nPOWERVIEW_LOG_DIR=/a\nPOWERVIEW_LOG_DIR=\n",
        "POWERVIEW_STATE_DIR=/a\nPOWERVIEW_STATE_DIR # no value\nPOWERVIEW_LOG_DIR=/a\nPOWERVIEW_LOG_DIR no value",
        "POWERVIEW_STATE_DIR=/srv/my state # where\nPOWERVIEW_LOG_DIR=/srv/a#b#c",
        "POWERVIEW_STATE_DIR= # where\nPOWERVIEW_LOG_DIR=#logs",
        "POWERVIEW_STATE_DIR='/srv/a # b' # c\nPOWERVIEW_LOG_DIR=\"/srv/a # b\"# c",
        "POWERVIEW_STATE_DIR='/srv/a\nPOWERVIEW_LOG_DIR=\"/srv/b",
        "POWERVIEW_STATE_DIR='/srv/a' b\nPOWERVIEW_LOG_DIR=\"/srv/a\"b",
        "POWERVIEW_STATE_DIR=/a\nPOWERVIEW_STATE_DIR='/srv/a' b\n'POWERVIEW_LOG_DIR'=/srv/logs",
        "POWERVIEW_STATE_DIR='it\\'s \\\\ \\n \\\" \\x'\nPOWERVIEW_LOG_DIR=\"it\\'s \\\\ \\n \\t \\\" \\x \\\\n\"",
        "POWERVIEW_STATE_DIR=/srv/a'b\"c\\n\nPOWERVIEW_LOG_DIR=$(touch ran)`id`${HOME}$HOME~*",
        "POWERVIEW_STATE_DIR=/srv/été\nPOWERVIEW_LOG_DIR=*",
        "",
    ],
)
def test_the_hook_reads_the_file_as_python_dotenv_does(tmp_path, text):
    (tmp_path / ".env").write_bytes(text.encode())
    assert hook_reads(tmp_path / ".env") == dotenv_reads(text)


NAMES = st.sampled_from([*FOLDERS, "POWERVIEW_LOG_DI", "'POWERVIEW_STATE_DIR'", "INFLUXDB_ADMIN_TOKEN", "#", ""])
# Blanks that are not ASCII's, and the separators 1C to 1F, are Python's blanks only.
PIECES = ["/srv/a", "'", '"', "\\", "\\n", "#", " #", " ", "\t", "\v", "=", "~", "$HOME", "$(id)", "*", "é"]
VALUES = st.lists(st.sampled_from(PIECES), max_size=8).map("".join)
EXPORTS, EQUALS = st.sampled_from(["", " ", "export ", "export\t"]), st.sampled_from(["", "=", " = ", "=\t"])
ENDS = st.sampled_from(["\n", "\r\n", "\r", "\n\n"])
LINES = st.tuples(EXPORTS, NAMES, EQUALS, VALUES, ENDS).map("".join)


@settings(max_examples=300)
@given(st.lists(LINES, max_size=5).map("".join))
@example("POWERVIEW_STATE_DIR='\\")
def test_the_hook_reads_any_line_as_python_dotenv_does(tmp_path_factory, text):
    env_file = tmp_path_factory.getbasetemp() / "any.env"
    env_file.write_bytes(text.encode())
    assert hook_reads(env_file) == dotenv_reads_each_line(text)


def test_the_hook_reads_the_lines_of_a_longer_value_as_if_they_stood_alone(tmp_path):
    text = 'NOTE="one\nPOWERVIEW_STATE_DIR=/two\nthree"\n'
    (tmp_path / ".env").write_text(text)
    assert (hook_reads(tmp_path / ".env"), dotenv_reads(text)) == (["/two", ""], ["", ""])


@pytest.mark.parametrize(
    ("environment", "text"),
    [
        ({}, ""),
        ({}, "POWERVIEW_STATE_DIR=/of/env file\nPOWERVIEW_LOG_DIR=~/logs\n"),
        ({}, "POWERVIEW_STATE_DIR=beside\nPOWERVIEW_LOG_DIR=./logs/../logs\n"),
        ({}, "POWERVIEW_STATE_DIR=~\nPOWERVIEW_LOG_DIR=~ /x\n"),
        ({"HOME": "/home/of me"}, "POWERVIEW_STATE_DIR=~/state\nPOWERVIEW_LOG_DIR=/a~b\n"),
        ({"POWERVIEW_STATE_DIR": "/of/environment"}, "POWERVIEW_STATE_DIR=/of/file\nPOWERVIEW_LOG_DIR=/of/file\n"),
        ({"POWERVIEW_STATE_DIR": "", "POWERVIEW_LOG_DIR": ""}, "POWERVIEW_STATE_DIR=/x\nPOWERVIEW_LOG_DIR=/x\n"),
    ],
)
def test_the_hook_uses_the_folders_that_the_parser_uses(tmp_path, monkeypatch, environment, text):
    (tmp_path / ".env").write_text(text)
    words = 'source "$1"; HERE=$2; read_settings; printf "%s\\0" "$POWERVIEW_STATE_DIR" "$POWERVIEW_LOG_DIR"'
    hook = subprocess.check_output(["/bin/bash", "-c", words, "test", SCRIPT, tmp_path], env=environment, text=True)
    monkeypatch.chdir(tmp_path)  # where the hook runs the parser
    monkeypatch.delenv("HOME", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    parser = load_settings(environment, tmp_path / ".env")
    assert [os.path.abspath(folder) for folder in hook.split("\0")[:-1]] == [str(parser.state_dir), str(parser.log_dir)]


@pytest.mark.parametrize("kind", ["missing", "folder", "fifo"])
def test_a_strange_env_file_leaves_the_environment_and_the_defaults(tmp_path, kind):
    env_file = tmp_path / ".env"
    {"missing": lambda: None, "folder": env_file.mkdir, "fifo": lambda: os.mkfifo(env_file)}[kind]()
    assert hook_reads(env_file) == ["", ""]
