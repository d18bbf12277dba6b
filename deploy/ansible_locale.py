"""Lets the Ansible of this Python environment start in any shell: `envs/powerview/bin/python deploy/ansible_locale.py`.

Ansible ends at once where the shell's language (LANG, LC_ALL) is not on the machine, before it reads any setting of
its own. So the environment gets a line that Python runs when it starts: for a program of Ansible's, and for no other,
LC_ALL is C.UTF-8, which every system has. The hook starts playbooks in the same language. (It comes too late for a
language that is on the machine and not in UTF-8: Python knows by then how file names are encoded.)

The line is in a `.pth` file, as https://docs.python.org/3/library/site.html describes. It is one line without `try`
because such a file has no other; `getattr` is for what starts without arguments, as an embedded Python does.
"""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

LINE = (
    'import os, sys; "ansible" in os.path.basename((getattr(sys, "argv", None) or [""])[0])'
    ' and os.environ.update(LC_ALL="C.UTF-8")\n'
)


def main() -> None:
    """Put the line into the environment of the Python that runs this; it changes nothing where it is already."""
    if sys.prefix == sys.base_prefix:
        raise SystemExit(
            f"ansible_locale.py: {sys.executable} is the system's Python: start this with PowerView's own, "
            f"envs/powerview/bin/python or .venv/bin/python"
        )
    place = Path(sysconfig.get_path("purelib"), "powerview_ansible_locale.pth")
    if not (place.is_file() and place.read_text() == LINE):
        place.write_text(LINE)


if __name__ == "__main__":
    main()
