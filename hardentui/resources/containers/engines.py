"""Container engines by what they leave on a host, whatever the distribution: one row each, data only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Engine:
    """One engine: the files of its main program, its processes, its control sockets.

    ``processes`` are names as the kernel keeps them, of 15 characters at most. Who may write to one of
    ``sockets`` may tell the engine of root what to do.
    """

    name: str
    programs: tuple[str, ...]
    processes: frozenset[str]
    sockets: tuple[str, ...] = ()


def _bins(*names: str) -> tuple[str, ...]:
    return tuple(
        f"{folder}/{name}" for name in names for folder in ("/usr/bin", "/usr/sbin", "/usr/local/bin")
    )


ENGINES = (
    Engine("Docker", (*_bins("dockerd"), "/snap/bin/docker"), frozenset({"dockerd"}), ("/run/docker.sock",)),
    Engine(
        "containerd",
        _bins("containerd"),
        frozenset({"containerd", "containerd-shim"}),
        ("/run/containerd/containerd.sock", "/run/docker/containerd/containerd.sock"),
    ),
    Engine("Podman", _bins("podman"), frozenset({"podman", "conmon"}), ("/run/podman/podman.sock",)),
    Engine("CRI-O", _bins("crio"), frozenset({"crio"}), ("/run/crio/crio.sock",)),
    Engine(
        "Kubernetes",
        _bins("kubelet", "k3s", "rke2"),
        frozenset({"kubelet", "k3s", "k3s-server", "k3s-agent", "rke2"}),
        ("/run/k3s/containerd/containerd.sock",),
    ),
    Engine("LXC", _bins("lxc-start"), frozenset({"lxc-start", "lxc-monitord"})),
    Engine(
        "LXD",
        (*_bins("lxd"), "/snap/bin/lxd"),
        frozenset({"lxd"}),
        ("/var/snap/lxd/common/lxd/unix.socket", "/var/lib/lxd/unix.socket"),
    ),
    Engine("Incus", _bins("incusd"), frozenset({"incusd"}), ("/var/lib/incus/unix.socket",)),
    Engine("systemd-nspawn", _bins("systemd-nspawn"), frozenset({"systemd-nspawn", "systemd-machine"})),
)
# Programs that take what comes to a published port and hand it to a container.
PROXIES = frozenset({"docker-proxy", "rootlessport", "conmon", "slirp4netns", "pasta", "pasta.avx2"})
