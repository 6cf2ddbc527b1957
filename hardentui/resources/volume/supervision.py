"""The timer that warns in the journal when a file system of logs fills up: two units of ours.

What they run is fixed words and the paths of file systems; a path that systemd or a shell could read as
anything else is refused. The service does without PrivateTmp, which cannot start on a full disk.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from hardentui.i18n import _
from hardentui.model import Fact, Gap, GapKind, Observation, Provenance, Reading, Recommendation
from hardentui.operations import Change, EnableUnit, Lines, Refusal, ReloadManager, WriteFile
from hardentui.resources.base import digest, list_fact, nothing, text_fact
from hardentui.resources.configuration import text_of
from hardentui.resources.volume.forecast import LOG, volumes
from hardentui.snapshot import Reason, Snapshot, UnitFile, UnitFiles, Units, Unread

TIMER, SERVICE = "hardentui-log-space.timer", "hardentui-log-space.service"
FOLDER = "/etc/systemd/system"
NOBODY = "none"
_ON = frozenset({"active", "enabled"})
_PATH = re.compile(r"(?:/[A-Za-z0-9_][A-Za-z0-9._-]{0,254}){1,16}")
_PERCENT = re.compile(r"[1-9][0-9]")
_WATCHES = re.compile(r"^    done' ([1-9][0-9])((?: /\S+)+)$", re.MULTILINE)
_MOST = 32  # file systems
# Agents that report to a monitoring server. Whether they watch these file systems is decided there.
AGENTS = frozenset(
    f"{name}.service"
    for name in (
        *("amazon-cloudwatch-agent", "azuremonitoragent", "centreon-agent", "collectd", "datadog-agent"),
        *(
            "google-cloud-ops-agent",
            "icinga2",
            "monit",
            "munin-node",
            "nagios-nrpe-server",
            "ncpa",
            "netdata",
        ),
        *("node_exporter", "nrpe", "pmcd", "prometheus-node-exporter", "telegraf", "wazuh-agent"),
        *("xymon-client", "zabbix-agent", "zabbix-agent2"),
    )
) | {"check-mk-agent.socket", "check_mk.socket"}

_SERVICE = """\
# Written by hardentui: warns when a file system of logs reaches a share of its space or of its inodes.
[Unit]
Description=Warn in the journal when a file system of logs fills up
Documentation=man:df(1) man:systemd.timer(5)

[Service]
Type=oneshot
# "<4>" gives the line the priority of a warning: journalctl -p warning -t hardentui-log-space
ExecStart=/bin/sh -c 'used=$$(df --output=pcent,ipcent,file -- "$$@") || exit 1; \\
    echo "$$used" | tr -d %% | while read -r space inodes path; do \\
        if [ "$$space" -ge "$$0" ] 2>/dev/null || [ "$$inodes" -ge "$$0" ] 2>/dev/null; then \\
            echo "<4>$$path: $$space %% of the space used, $$inodes %% of the inodes; warning from $$0 %%"; \\
        fi; \\
    done' {percent} {paths}
SyslogIdentifier=hardentui-log-space
TimeoutStartSec=60
# Root, so that every folder of logs can be looked up; but without capabilities, and nothing to write to.
CapabilityBoundingSet=
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
ProtectProc=invisible
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
PrivateDevices=yes
PrivateNetwork=yes
RestrictAddressFamilies=AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
UMask=0077
"""
_TIMER = """\
# Written by hardentui, see hardentui-log-space.service.
[Unit]
Description=Look every quarter of an hour how full the file systems of logs are

[Timer]
OnBootSec=2min
OnCalendar=*:0/15
AccuracySec=1min

[Install]
WantedBy=timers.target
"""


def observe(snapshot: Snapshot) -> Observation:
    """From which share on somebody is warned, for each file system of logs; "none" where nobody is."""
    wanted = paths(snapshot)
    if isinstance(wanted, Gap):
        return Observation(Reading(gap=wanted) if snapshot.live else None, (Reading(gap=wanted),))
    place = f"{FOLDER}/{SERVICE}"
    text = text_of(snapshot, place)
    files, at = snapshot.ask_timed(UnitFiles())
    facts: dict[str, Fact] = {
        "paths": wanted,
        "service": digest(snapshot, place),
        "timer": digest(snapshot, f"{FOLDER}/{TIMER}"),
    }
    if isinstance(text, Unread) and text.reason is not Reason.MISSING:
        unknown = nothing(text, place)
        return Observation(unknown if snapshot.live else None, (unknown,), facts, at)
    watched = _watched(text) if isinstance(text, str) else {}
    then = _boot(watched, wanted, files, place)
    now = _running(snapshot, watched, wanted, place) if snapshot.live else None
    return Observation(now, (then,), facts, at)


def change(entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:
    """The two units, and the timer enabled and started; ``target`` is the share in percent."""
    wanted = [path for path in list_fact(facts, "paths") if isinstance(path, str)]
    odd = [path for path in wanted if not _PATH.fullmatch(path)]
    if odd:
        return Refusal(_("{path} is no plain path: watch it by hand").format(path=repr(odd[0])))
    if not 0 < len(wanted) <= _MOST:
        return Refusal(_("no file system of logs is known"))
    if not _PERCENT.fullmatch(target):
        return Refusal(_("{target} is no share between 10 and 99 percent").format(target=repr(target)))
    owners = (entry.id,)
    service = _SERVICE.format(percent=target, paths=" ".join(wanted))
    return (
        _unit(owners, SERVICE, service, text_fact(facts, "service")),
        _unit(owners, TIMER, _TIMER, text_fact(facts, "timer")),
        ReloadManager(owners=owners),
        EnableUnit(owners=owners, unit=TIMER, start=True),
    )


def paths(snapshot: Snapshot) -> tuple[str, ...] | Gap:
    """What is to be watched: one path of each file system that holds logs on a disk."""
    found = volumes(snapshot)
    if isinstance(found, Gap):
        return found
    # What is not known to be a disk of this host is left out: df would wait for a dead server.
    known = [one.path for one in found.systems if one.usage is not None]
    own = {path for path in known if path.startswith(f"{LOG}/")}
    others = {path for path in known if path not in {"/", "/var", "/run"} and not path.startswith("/var/log")}
    return tuple(sorted({LOG, *own, *others}))


def _unit(owners: tuple[str, ...], name: str, text: str, before: str) -> WriteFile:
    lines = Lines(owner=owners[0], lines=tuple(text.splitlines()))
    return WriteFile(owners=owners, path=f"{FOLDER}/{name}", parts=(lines,), before=before)


def _watched(text: str) -> Mapping[str, str]:
    """The share by path that a service file of ours warns from."""
    found = _WATCHES.search(text)
    return dict.fromkeys(found[2].split(), found[1]) if found else {}


def _shares(watched: Mapping[str, str], wanted: Sequence[str], place: str, state: str) -> Reading:
    """The share for each file system, where the timer is in a ``state`` of ON."""
    counts = state in _ON
    values = {path: watched.get(path, NOBODY) if counts else NOBODY for path in wanted}
    return Reading(values, provenance=(Provenance(place), Provenance(TIMER, text=state)))


def _boot(
    watched: Mapping[str, str], wanted: Sequence[str], files: Sequence[UnitFile] | Unread, place: str
) -> Reading:
    if isinstance(files, Unread):
        return nothing(files, "systemctl list-unit-files")
    states = {one.name: one.state for one in files}
    if not watched and (agents := sorted(name for name in AGENTS if states.get(name) == "enabled")):
        return Reading(gap=_elsewhere(agents))
    return _shares(watched, wanted, place, states.get(TIMER, _("not there")))


def _running(snapshot: Snapshot, watched: Mapping[str, str], wanted: Sequence[str], place: str) -> Reading:
    loaded = snapshot.ask(Units())
    if isinstance(loaded, Unread):
        return nothing(loaded, "systemctl show")
    known = {one.name: one for one in loaded}
    if not watched and (agents := sorted(n for n in AGENTS if n in known and known[n].active == "active")):
        return Reading(gap=_elsewhere(agents))
    older = sorted(name for name in (TIMER, SERVICE) if name in known and known[name].stale)
    if older:
        return Reading(gap=Gap(GapKind.STALE, ", ".join(older)))
    return _shares(watched, wanted, place, known[TIMER].active if TIMER in known else _("not there"))


def _elsewhere(agents: Sequence[str]) -> Gap:
    sentence = _("{agents} runs; what it watches is decided elsewhere")
    return Gap(GapKind.UNTOLD, sentence.format(agents=", ".join(agents)))
