"""Runs a worker as its container does, as far as that goes without a container engine.

What the Dockerfile says is read from it: command, environment, user, working directory and volume.
As root on Linux, the process has a root directory of its own, where everything is read-only but
/tmp and the volume, and it runs as the user of the image, without any capability. For other users,
and for a root that may not mount, as in most containers, only the root directory and the user are
not those of the image: the process has the test's. It has no capability there either.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import psutil

from tests.harness.worker import Worker
from workers.settings import Settings

ROOT = Path(__file__).parents[2]


@cache
def can_mount() -> bool:
    """Returns whether a process can have a root directory of its own."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return False
    probe = ("unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", tempfile.gettempdir())
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


WITHOUT_CAPABILITIES = ("setpriv", "--bounding-set", "-all", "--inh-caps", "-all")
"""Runs a command as a root that files limit as they do any user."""

TOOLS = "/usr/sbin:/usr/bin:/sbin:/bin"

VENV_IN_IMAGE = Path("/opt/inbox")

_RUN = """
root=$1 user=$2 venv=$3 venv_in_image=$4 data=$5 volume=$6 options=$7 chroot=$8
shift 8
mount -t tmpfs -o mode=755 tmpfs "$root"
bind() { mkdir -p "$root$2" && mount -o "bind,$3" "$1" "$root$2"; }
for each in /bin /lib /lib32 /lib64 /sbin; do
    if [ -L "$each" ]; then cp -P "$each" "$root$each"
    elif [ -d "$each" ]; then bind "$each" "$each" ro
    fi
done
bind /usr /usr ro
bind /etc /etc ro
bind /dev /dev rw
while [ "$1" != -- ]; do bind "$1" "$1" ro; shift; done
shift
bind "$venv" "$venv_in_image" ro
bind "$data" "$volume" "$options"
mkdir -p "$root/tmp" && mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mkdir -p "$root/proc" && mount -t proc proc "$root/proc"
mount -o remount,ro "$root"
exec "$chroot" --userspec="$user" --groups= "$root" "$@"
"""
"""Makes the root directory in a mount namespace of its own, so that nothing is left of it."""


@dataclass
class Image:
    """What the last stage of the Dockerfile says."""

    user: str = ""
    volume: str = ""
    workdir: str = ""
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    health_check: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)


@cache
def image() -> Image:
    """Returns what the Dockerfile says."""
    read = Image()
    joined = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    for line in joined.splitlines():
        instruction, _, rest = line.strip().partition(" ")
        rest = rest.strip()
        match instruction:
            case "USER":
                read.user = rest
            case "VOLUME":
                read.volume = rest
            case "WORKDIR":
                read.workdir = rest
            case "ENTRYPOINT":
                read.entrypoint = json.loads(rest)
            case "CMD":
                read.command = json.loads(rest)
            case "HEALTHCHECK":
                read.health_check = json.loads(rest.partition(" CMD ")[2])
            case "ENV":
                read.environment |= dict(each.split("=", 1) for each in rest.split())
    return read


def user_id() -> int:
    """Returns the user that workers run as here."""
    return int(image().user.partition(":")[0]) if can_mount() else os.geteuid()


class ContainerWorker(Worker):
    """A worker in a container. Its volume is a directory of the test, which may be read-only."""

    def __init__(
        self,
        settings: Settings,
        log: Path,
        roles: str,
        volume: Path,
        *,
        read_only: bool = False,
    ) -> None:
        inside = Path(image().environment["INBOX_DATA_DIR"]) if can_mount() else volume
        super().__init__(replace(settings, data_dir=inside), log, roles)
        self._volume = volume
        self._read_only = read_only

    @property
    def user_ids(self) -> set[int]:
        """The users that the process has: the real, the effective and the saved one."""
        return set(psutil.Process(self.process.pid).uids())

    def _fork(self) -> "subprocess.Popen[bytes]":  # type: ignore[override]
        environment = image().environment | self.settings.environment()
        if not can_mount():
            environment["PATH"] = f"{Path(sys.prefix) / 'bin'}:{os.environ['PATH']}"
        with self.log.open("ab") as log:
            return subprocess.Popen(
                self._command(), env=environment, cwd=image().workdir, stdout=log, stderr=log
            )

    def _command(self) -> list[str]:
        command = [*image().entrypoint, image().command[0], "--roles", self._roles]
        if not can_mount():
            unable = WITHOUT_CAPABILITIES if os.geteuid() == 0 else ()
            return [*unable, str(Path(sys.prefix) / "bin" / command[0]), *command[1:]]
        root = self.log.with_suffix(".root")
        root.mkdir(exist_ok=True)
        options = "ro" if self._read_only else "rw"
        given = (
            root,
            image().user,
            sys.prefix,
            VENV_IN_IMAGE,
            self._volume,
            image().volume,
            options,
            shutil.which("chroot", path=TOOLS),
        )
        return [
            *("unshare", "--mount", "sh", "-euc", _RUN, "sh"),
            *map(str, (*given, *_code(), "--", *command)),
        ]


def _code() -> list[Path]:
    """Returns the directories of Python, its packages and our code, the outer ones only."""
    used = (*sys.path, sys.prefix, sys.base_prefix, str(ROOT))
    found = {Path(each).resolve() for each in used if Path(each).is_dir()}
    outer = {each for each in found if found.isdisjoint(each.parents)}
    return sorted(each for each in outer if Path("/usr") not in each.parents)
