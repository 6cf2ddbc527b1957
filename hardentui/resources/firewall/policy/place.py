"""Where the policy stands on a host: a file of rules, and the unit that loads it at each boot.

A unit of its own, and no line in the file of nftables.service: that one begins with ``flush ruleset``, and
enabling it would empty what ufw, fail2ban or Docker loaded. Where it runs all the same, ours follows it in
everything: loaded after it, reloaded with it, stopped with it.
"""

from __future__ import annotations

from hardentui.i18n import _
from hardentui.model import Gap, GapKind
from hardentui.resources.base import explain
from hardentui.resources.firewall.policy import Policy, nftables
from hardentui.snapshot import File, Snapshot, UnitFiles, Unread

FILE = "/etc/hardentui/firewall.nft"
UNIT = "hardentui-firewall.service"
UNIT_FILE = f"/etc/systemd/system/{UNIT}"
NFT = "/usr/sbin/nft"
UNIT_LINES = (
    "# Written by hardentui: loads the firewall policy of this host.",
    "[Unit]",
    "Description=Firewall policy written by hardentui",
    f"ConditionPathExists={FILE}",
    "DefaultDependencies=no",
    "Wants=network-pre.target",
    "After=local-fs.target hardentui-boot.service nftables.service",
    "Before=network-pre.target shutdown.target",
    "Conflicts=shutdown.target",
    "PartOf=nftables.service",
    "ReloadPropagatedFrom=nftables.service",
    "",
    "[Service]",
    "Type=oneshot",
    "RemainAfterExit=yes",
    "StandardInput=null",
    "ProtectSystem=full",
    "ProtectHome=true",
    f"ExecStart={NFT} -f {FILE}",
    f"ExecReload={NFT} -f {FILE}",
    f"ExecStop=-{NFT} delete table {nftables.FAMILY} {nftables.TABLE}",
    "",
    "[Install]",
    "WantedBy=sysinit.target",
)


def at_boot(snapshot: Snapshot) -> Policy | Gap | None:
    """The policy that the next boot loads; None where no boot loads one."""
    units = snapshot.ask(UnitFiles())
    if isinstance(units, Unread):
        return units.gap(_("enabled units"))
    if not any(unit.name == UNIT and unit.state == "enabled" for unit in units):
        return None
    text = snapshot.ask(File(FILE))
    if isinstance(text, Unread):
        return Gap(
            GapKind.UNTOLD, _("{unit} is enabled: {why}").format(unit=UNIT, why=explain(text.gap(FILE)))
        )
    try:
        return nftables.read(text)
    except ValueError as error:
        return Gap(GapKind.UNTOLD, f"{FILE}: {error}")
