"""A mounted image: judged by its own files, for interfaces that nobody saw, and by nothing of the host."""

from __future__ import annotations

from pathlib import Path

import pytest

from hardentui.assess import assess
from hardentui.model import Finding, Result
from hardentui.snapshot import DistributionIs, File, Host, Snapshot

from . import hosts
from .images import OS_RELEASE, image
from .test_closed_loop import CHECKLISTS, FIRST
from .test_judgement import DMESG, find

LOCAL = "/etc/sysctl.d/10.conf"
REDIRECTS, FILTER = find("net.ipv4.conf.*.send_redirects"), find("net.ipv4.conf.*.rp_filter")
REDIRECTS6 = find("net.ipv6.conf.*.accept_redirects")


def judge(host: Host, id_: str) -> Finding:
    answers = FIRST | {"ipv6": "static", "routing": "no"}
    (found,) = assess([CHECKLISTS.get(id_)], Snapshot(host), answers, CHECKLISTS.questions)
    return found


def verdict(root: Path, id_: str, text: str) -> Finding:
    return judge(image(root, {LOCAL: text}), id_)


# --- interfaces -----------------------------------------------------------------------------------

BOTH = "net.ipv4.conf.all.send_redirects = 0\nnet.ipv4.conf.default.send_redirects = 0\n"
ALL = "net.ipv4.conf.*.send_redirects = 0\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (ALL + "net.ipv4.conf.eth7.send_redirects = 1\n", "eth7 1"),
        (ALL + "net/ipv4/conf/eth0.100/send_redirects = 1\n", "eth0.100 1"),
        (ALL + "net.ipv4.conf.wg*.send_redirects = 1\n", "wg* 1"),
        (ALL + "net.ipv4.conf.[v-w]g?.send_redirects = 1\n", "[v-w]g? 1"),
        (ALL + "net.ipv4.conf.[^a-f]*.send_redirects = 1\n", "[^a-f]* 1"),
        (BOTH + "net.ipv4.conf.*.send_redirects = 1\n", "* 1"),
        (BOTH, "lo 1"),  # every system has it, and default does not reach it
    ],
)
def test_an_interface_that_a_file_names_or_matches_is_judged(tmp_path: Path, text: str, shown: str) -> None:
    found = verdict(tmp_path, REDIRECTS, text)
    assert found.result is Result.FAIL
    assert shown in found.boot


def test_a_pattern_for_all_of_them_passes(tmp_path: Path) -> None:
    assert verdict(tmp_path, REDIRECTS, ALL).result is Result.PASS


def test_ipv6_of_an_image_with_default_alone_is_not_known(tmp_path: Path) -> None:
    """An interface that is there before the files are read does not inherit; nobody can see which are."""
    text = "net.ipv6.conf.all.accept_redirects = 0\nnet.ipv6.conf.default.accept_redirects = 0\n"
    assert verdict(tmp_path, REDIRECTS6, text).result is Result.UNKNOWN


def test_ipv6_of_an_image_with_a_pattern_passes(tmp_path: Path) -> None:
    assert verdict(tmp_path, REDIRECTS6, "net.ipv6.conf.*.accept_redirects = 0\n").result is Result.PASS


@pytest.mark.parametrize("name", ["wg0", "wg*"])
def test_on_a_live_host_what_is_not_there_yet_is_judged_for_the_boot(name: str) -> None:
    text = f"net.ipv4.conf.*.rp_filter = 1\nnet.ipv4.conf.{name}.rp_filter = 2\n"
    host = hosts.with_kernel(
        hosts.server(files={LOCAL: text}),
        {f"net/ipv4/conf/{part}/rp_filter": "1" for part in ("all", "default", "lo", "eth0")},
    )
    found = judge(host, FILTER)
    assert found.result is Result.FAIL
    assert f"{name} 2" in found.message


# --- what an image does not show --------------------------------------------------------------------


def test_a_default_of_the_kernel_is_no_pass_where_the_command_line_is_not_seen(tmp_path: Path) -> None:
    cookies = find("net.ipv4.tcp_syncookies")
    found = judge(image(tmp_path), cookies)
    assert found.result is Result.UNKNOWN
    assert "command line" in found.message
    assert verdict(tmp_path / "b", cookies, "net.ipv4.tcp_syncookies = 1\n").result is Result.PASS


def test_a_denied_command_line_leaves_a_default_unknown() -> None:
    host = hosts.with_kernel(hosts.server(), {"net/ipv4/tcp_syncookies": "1"})
    assert judge(host, find("net.ipv4.tcp_syncookies")).result is Result.PASS
    host.kernel["/proc/cmdline"] = hosts.Unread(hosts.Reason.DENIED)
    assert judge(host, find("net.ipv4.tcp_syncookies")).result is Result.UNKNOWN


# --- links that lead out ----------------------------------------------------------------------------


def host_release(tmp_path: Path, name: str) -> Path:
    """An os-release outside the image, at a path that the image's link names."""
    outside = tmp_path / name
    outside.write_text('ID=fedora\nPRETTY_NAME="the host"\nVERSION_ID="40"\n', encoding="utf-8")
    return outside


def test_the_os_release_of_the_host_is_not_that_of_an_image(tmp_path: Path) -> None:
    outside = host_release(tmp_path, "outside")
    root = tmp_path / "root"
    host = image(
        root, {f"/{outside}": OS_RELEASE.replace("bookworm", "inside")}, {"/etc/os-release": str(outside)}
    )
    found, _at = host.answer(DistributionIs())
    assert (found.id, found.version, found.name) == ("debian", "12", "Debian GNU/Linux 12 (inside)")


def test_a_link_that_leads_nowhere_inside_gives_no_distribution_of_the_host(tmp_path: Path) -> None:
    outside = host_release(tmp_path, "outside")
    root = tmp_path / "root"
    host = image(root, {}, {"/etc/os-release": str(outside)})
    (root / "usr/lib/os-release").unlink()
    found, _at = host.answer(DistributionIs())
    assert isinstance(found, hosts.Unread)


def test_debian_version_of_the_host_does_not_stand_in_for_that_of_an_image(tmp_path: Path) -> None:
    """Debian's testing names no version; /etc/debian_version may be any link."""
    outside = tmp_path / "outside"
    outside.write_text("11.9\n", encoding="utf-8")
    testing = 'ID=debian\nPRETTY_NAME="Debian GNU/Linux forky/sid"\n'
    root = tmp_path / "root"
    host = image(root, {"/usr/lib/os-release": testing}, {"/etc/debian_version": str(outside)})
    found, _at = host.answer(DistributionIs())
    assert (found.id, found.version) == ("debian", "")


def test_a_folder_that_is_an_absolute_link_is_that_of_the_image(tmp_path: Path) -> None:
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    (outside / "50.conf").write_text("kernel.dmesg_restrict = 1\n", encoding="utf-8")
    host = image(tmp_path / "root", {}, {"/run/sysctl.d": str(outside)})
    assert judge(host, DMESG).result is not Result.PASS
    seen, _at = host.answer(File("/run/sysctl.d/50.conf"))
    assert isinstance(seen, hosts.Unread)
