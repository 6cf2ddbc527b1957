"""Programs that give more than they seem to, once sudo runs them: data for the rules on sudoers."""

from __future__ import annotations


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# They write any file, and most of them start a shell.
EDITORS = _names("""
    dd ed emacs emacsclient ex gedit gvim helix hx jed jmacs joe jpico jstar kak kate kwrite mcedit
    mg micro nano ne nvim pico red rjoe rnano rview rvim sed tee vi view vim vim.basic vim.tiny
    vimdiff zile
""")
# They are a shell, or become one.
SHELLS = _names("""
    ash bash busybox csh dash fish ksh ksh93 mksh pdksh rbash sh su sudo tcsh zsh
""")
# They start a program that their user names, or write where their user says, in the middle of what they do.
ESCAPES = _names("""
    apt apt-get at awk batch chmod chown chroot cp crontab curl dnf docker dpkg env expect find ftp
    gawk gdb gem git info install ip journalctl less ln ltrace lua lxc make man mawk more most mount
    mv mysql nawk nc ncat netcat nice nmap node nohup npm nsenter openssl passwd perl pg php pip
    pip3 podman psql python python2 python3 rpm rsync ruby scp screen script setcap setsid sftp snap
    socat sqlite3 ssh strace svn systemctl systemd-run tar tclsh tcpdump time timeout tmux unshare
    useradd usermod vigr vipw visudo watch wget xargs yum zip
""")
