"""Where a file is in the tree, and why one is refused."""

from __future__ import annotations

from dataclasses import dataclass

from powerview import names


@dataclass(frozen=True)
class Upload:
    """Where a file is: DATA/client/campaign/device/[state/]name, `state` being "", parsed or error."""

    client: str
    campaign: str
    device: str
    name: str
    state: str = ""

    @property
    def path(self) -> str:
        """The path below the tree."""
        return "/".join(p for p in (self.client, self.campaign, self.device, self.state, self.name) if p)

    @property
    def folder(self) -> tuple[str, str, str]:
        """The device's folder."""
        return self.client, self.campaign, self.device


@dataclass(frozen=True)
class Refusal:
    """A file that is not taken, by its path below the tree, and why. `mark` changes when the file does."""

    path: str
    reason: str
    mark: str = ""


def upload_order(upload: Upload) -> tuple:
    """Sort key: the order in which files were uploaded, by the stamp in the name (files without one first)."""
    return (*names.upload_order(upload.name), upload.client, upload.campaign, upload.device)
