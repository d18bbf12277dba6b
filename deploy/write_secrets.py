#!/usr/bin/env python3
"""Write the secrets that compose.yaml mounts, one file each, from `.env`: `deploy/write_secrets.py`, without options.

They go to `secrets/` beside compose.yaml. As variables of the containers they would stand in the argument list of
`podman run`, for every account of the machine to read, while an image is pulled. Run it again after a change of
`.env`, with PowerView's Python. Exit status: 0 all is written; 78 a secret is missing or its server would refuse it,
and nothing is written; or a setting that is needed much later, when something is wrong, could not be used then.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from powerview.settings import (  # noqa: E402
    SettingsError,
    load_settings,
    require_grafana,
    require_language,
    require_notifications,
    server_secrets,
)

EX_CONFIG = 78


def write_secrets(folder: Path, secrets: dict[str, str]) -> list[str]:
    """Bring `folder` to hold one file for each secret, its name in lower case; returns the names of those written.

    The servers read them as users of their containers, so each file is readable by all; the folder is what keeps
    others out. A file changes by a rename: a container that is being started never sees half of one.
    """
    folder.mkdir(mode=0o750, exist_ok=True)
    folder.chmod(folder.stat().st_mode & 0o770)
    written = []
    for name, value in secrets.items():
        place = folder / name.lower()
        if place.is_file() and place.read_text(encoding="utf-8") == value and place.stat().st_mode & 0o777 == 0o644:
            continue
        new = folder / f".{place.name}.new"
        new.unlink(missing_ok=True)
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(value)
        new.chmod(0o644)
        new.replace(place)
        written.append(place.name)
    return written


def main() -> int:
    """Write them, and look at the settings that nobody uses before something is wrong; returns the exit status."""
    try:
        written = write_secrets(PROJECT / "secrets", server_secrets())
        print(f"secrets/: {', '.join(written) or 'nothing'} written")
        settings = load_settings()
        for sentence in settings.replaced:
            print(f"write_secrets.py: {sentence}", file=sys.stderr)
        for require in (require_grafana, require_language, require_notifications):
            require(settings)
    except (SettingsError, OSError) as error:
        print(f"write_secrets.py: {error}", file=sys.stderr)
        return EX_CONFIG
    return 0


if __name__ == "__main__":
    sys.exit(main())
