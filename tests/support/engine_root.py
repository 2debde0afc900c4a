"""A Debian root directory as a machine of its own: mounts, processes, cgroups and network, for one container engine.

Nothing leaves it: its only network is a link to itself with a default route, which Podman's programs expect, so its
containers reach each other and nothing else.
"""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

# catatonit reaps the processes that engines leave to process 1. Its standard input closes with this program.
_ENTER = r"""
set -e
root=$1 data=$2 checkout=$3 keep=$4
mount --bind "$root" "$root"
cd "$root"
mkdir -p old var/lib/containers home/user run tmp ".$checkout" ".$keep"
mount --bind "$data" var/lib/containers
mount --bind "$data/home" home/user
mount --bind "$checkout" ".$checkout"
mount --bind "$keep" ".$keep"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs dev dev
mkdir dev/pts dev/shm dev/mqueue dev/net
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount -t tmpfs -o mode=1777 shm dev/shm
mount -t mqueue mqueue dev/mqueue
for each in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0 net/tun:10:200 fuse:10:229; do
  IFS=: read -r name major minor <<<"$each"
  mknod -m 0666 "dev/$name" c "$major" "$minor"
done
mount -t tmpfs -o mode=0755 run run
mount -t tmpfs -o mode=1777 tmp tmp
mkdir -p run/user/1000 run/lock
chown 1000:1000 run/user/1000
ip link set lo up
ip link add uplink0 type veth peer name nowhere0
ip address add 10.214.0.2/24 dev uplink0
ip link set uplink0 up
ip link set nowhere0 up
ip route add default via 10.214.0.1
pivot_root . old
cd /
umount -l old
mount --make-rshared /
echo ready
exec catatonit -- cat
"""
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
USER = 1000


class EngineRoot:
    """The machine; a context manager.

    Args:
        root: A Debian root directory; only the folders that the engine needs are created in it.
        keep: A folder that is visible inside as well, at the same path.
    """

    def __init__(self, root: Path, keep: Path) -> None:
        self._root, self._keep = root, keep
        self._stack = contextlib.ExitStack()
        self._pid = 0
        self._started: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        data = Path(tempfile.mkdtemp(prefix="data-", dir=self._keep))
        self._stack.callback(subprocess.run, ["rm", "-rf", "--one-file-system", str(data)], check=False)
        (data / "home").mkdir()
        (data / "home").chmod(0o700)
        subprocess.run(["chown", f"{USER}:{USER}", data / "home"], check=True)
        kinds = (
            "--mount",
            "--pid",
            "--net",
            "--ipc",
            "--uts",
            "--cgroup",
            "--fork",
            "--kill-child",
            "--propagation=private",
        )
        words = ("bash", "-c", _ENTER, "enter", self._root, data, ROOT, self._keep)
        holder = subprocess.Popen(
            ["unshare", *kinds, *map(str, words)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._stack.callback(self._reap)
        self._stack.callback(_end, holder)
        if holder.stdout is None or holder.stdout.readline() != "ready\n":
            raise RuntimeError(f"cannot enter {self._root}")
        children = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().split()
        self._pid = int(children[0])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def command(self, argv: Sequence[str | Path], environment: Mapping[str, str], *, rootless: bool) -> list[str]:
        """The command line that runs `argv` in the root, with this environment only."""
        home = "/home/user" if rootless else "/root"
        drop = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"] if rootless else []
        basic = {"PATH": _PATH, "HOME": home, "LC_ALL": "C.UTF-8"}
        if rootless:
            basic["XDG_RUNTIME_DIR"] = f"/run/user/{USER}"
        variables = [f"{name}={value}" for name, value in (basic | dict(environment)).items()]
        enter = ["nsenter", "--target", str(self._pid), "--all", f"--wdns={ROOT}"]
        return [*enter, "--", *drop, "env", "--ignore-environment", *variables, *map(str, argv)]

    def run(
        self,
        argv: Sequence[str | Path],
        environment: Mapping[str, str] | None = None,
        *,
        rootless: bool = False,
        **options: Any,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program in the root."""
        options = {"capture_output": True, "text": True, "timeout": 300, "stdin": subprocess.DEVNULL} | options
        return subprocess.run(self.command(argv, environment or {}, rootless=rootless), check=False, **options)

    def popen(
        self, argv: Sequence[str | Path], environment: Mapping[str, str] | None = None, *, rootless: bool = False
    ) -> None:
        """Start a program that ends with the machine."""
        log = (self._keep / "service.log").open("a")
        self._stack.callback(log.close)
        command = self.command(argv, environment or {}, rootless=rootless)
        self._started.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log))

    def _reap(self) -> None:
        """Wait for the programs that have ended with the machine."""
        for each in self._started:
            each.wait()


def _end(holder: subprocess.Popen[str]) -> None:
    if holder.stdin is not None:
        holder.stdin.close()
    holder.kill()
    holder.wait()
    if holder.stdout is not None:
        holder.stdout.close()
