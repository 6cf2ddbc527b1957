#!/bin/bash
# rhel-facade.sh TREE: make a Debian 12 tree answer like RHEL 9 where hardentui looks.
#
# What is RHEL's here: the texts of its configuration files, its names of units, groups and files, an rpm
# database (of empty packages of our own, with RHEL's names and versions). What stays Debian's: every program,
# so the sshd that answers, the firewalld that runs and the modules of PAM are those of Debian 12. It is a
# front for tests of names and texts, and no proof of how RHEL behaves.
# Needs rpmbuild and rpm (Debian: rpm), and in the tree: rpm, firewalld, chrony, libpam-pwquality.
set -euo pipefail
tree=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$tree"

# --- what only Debian has ---
rm -rf var/lib/dpkg var/lib/apt var/cache/apt var/cache/debconf var/log/apt var/log/dpkg.log etc/apt etc/dpkg
rm -rf etc/debian_version etc/bash.bashrc etc/pam.d/common-* usr/share/pam-configs etc/default/ssh
rm -rf etc/network etc/logrotate.d/{apt,dpkg,alternatives} etc/cron.daily/{apt-compat,dpkg} etc/adduser.conf
rm -f usr/bin/apt* usr/bin/dpkg* usr/bin/debconf* usr/sbin/dpkg-* usr/sbin/pam-auth-update usr/sbin/adduser
rm -f usr/lib/systemd/system/{apt-daily*,dpkg-db-backup*} etc/systemd/system/timers.target.wants/{apt-,dpkg-}*
rm -f usr/lib/systemd/system/{networking,ifup@}.service etc/systemd/system/*.wants/networking.service
find usr/lib/sysctl.d etc/sysctl.d etc/tmpfiles.d ! -type d ! -name 50-pid-max.conf -delete # that one is systemd's

# --- who it is ---
rm -f etc/os-release
cat > etc/os-release <<'F'
NAME="Red Hat Enterprise Linux"
VERSION="9.4 (Plow)"
ID="rhel"
ID_LIKE="fedora"
VERSION_ID="9.4"
PLATFORM_ID="platform:el9"
PRETTY_NAME="Red Hat Enterprise Linux 9.4 (Plow)"
F
echo 'Red Hat Enterprise Linux release 9.4 (Plow)' > etc/redhat-release
for file in boot/*-cloud-amd64; do
    mv "$file" "${file%%-[0-9]*}-5.14.0-427.13.1.el9_4.x86_64"
done
rm -rf boot/initrd.img-*
mkdir -p etc/sysconfig boot/grub2
echo 'blscfg' > boot/grub2/grub.cfg
chmod 700 boot/grub2
chmod 600 boot/grub2/grub.cfg
mkdir -p boot/loader/entries
cat > boot/loader/entries/0123456789abcdef0123456789abcdef-5.14.0-427.13.1.el9_4.x86_64.conf <<'F'
title Red Hat Enterprise Linux (5.14.0-427.13.1.el9_4.x86_64) 9.4 (Plow)
version 5.14.0-427.13.1.el9_4.x86_64
linux /vmlinuz-5.14.0-427.13.1.el9_4.x86_64
initrd /initramfs-5.14.0-427.13.1.el9_4.x86_64.img
options root=/dev/vda1 ro crashkernel=1G-4G:192M,4G-64G:256M,64G-:512M rhgb quiet
grub_users $grub_users
grub_arg --unrestricted
grub_class rhel
F
cat > etc/default/grub <<'F'
GRUB_TIMEOUT=5
GRUB_DISTRIBUTOR="$(sed 's, release .*$,,g' /etc/system-release)"
GRUB_CMDLINE_LINUX="crashkernel=1G-4G:192M,4G-64G:256M,64G-:512M rhgb quiet"
GRUB_ENABLE_BLSCFG=true
F

# --- packages: names and versions of RHEL's, and nothing in them ---
owned() { # PACKAGE: its entries of %files, here only the programs with special rights
    [ "$1" != shadow-utils ] || (cd "$tree" && find usr -xdev -type f -perm /6000 -printf '%%ghost %%attr(%m,%u,%g) /%p\n')
}
rpms() {
    while read -r name version release; do
        cat > "$work/$name.spec" <<F
Name: $name
Version: $version
Release: $release.el9
Summary: stand-in for tests
License: none
BuildArch: noarch
%description
stand-in
%files
$(owned "$name")
F
        rpmbuild --quiet -bb --define "_topdir $work" --define "_rpmdir $work/rpms" \
            --define "_build_id_links none" "$work/$name.spec" > /dev/null 2>&1
    done
}
rpms <<'F'
authselect 1.2.6 2
bash 5.1.8 9
chrony 4.5 1
cronie 1.5.7 11
crypto-policies 20240202 1
dnf 4.14.0 9
firewalld 1.3.4 1
glibc 2.34 100
kernel-core 5.14.0 427.13.1
libpwquality 1.4.4 8
logrotate 3.18.0 8
nftables 1.0.9 1
openssh-server 8.7p1 38
pam 1.5.1 19
rsyslog 8.2310.0 4
selinux-policy-targeted 38.1.35 2
setup 2.13.7 10
shadow-utils 4.9 8
sudo 1.9.5p2 10
systemd 252 32
F
mkdir -p var/lib/rpm etc/rpm
echo '%_dbpath /var/lib/rpm' > etc/rpm/macros # Debian's rpm would look in the home folder
rpm --root "$tree" --dbpath /var/lib/rpm --initdb 2> /dev/null
rpm --root "$tree" --dbpath /var/lib/rpm --nodeps --justdb --noscripts -i "$work"/rpms/noarch/*.rpm 2> /dev/null
mkdir -p etc/dnf/vars etc/yum.repos.d var/cache/dnf
printf '[main]\ngpgcheck=1\ninstallonly_limit=3\nclean_requirements_on_remove=True\nbest=True\n' > etc/dnf/dnf.conf
cat > etc/yum.repos.d/redhat.repo <<'F'
[rhel-9-for-x86_64-baseos-rpms]
name = Red Hat Enterprise Linux 9 for x86_64 - BaseOS (RPMs)
baseurl = https://cdn.redhat.com/content/dist/rhel9/9/x86_64/baseos/os
enabled = 1
gpgcheck = 1
gpgkey = file:///etc/pki/rpm-gpg/RPM-GPG-KEY-redhat-release
sslverify = 1
F

# --- units under RHEL's names ---
rename() { # OLD NEW WANTED-BY
    rm -f etc/systemd/system/*/"$1" etc/systemd/system/"$2"
    mv "usr/lib/systemd/system/$1" "usr/lib/systemd/system/$2"
    sed -i '/^Alias=/d' "usr/lib/systemd/system/$2"
    ln -s "/usr/lib/systemd/system/$2" "etc/systemd/system/$3.wants/$2"
}
rename ssh.service sshd.service multi-user.target
rename cron.service crond.service multi-user.target
rename chrony.service chronyd.service multi-user.target
rm -f usr/lib/systemd/system/{ssh.socket,rescue-ssh.target,ssh@.service} etc/systemd/system/chrony*.service
rm -f etc/init.d/* etc/rc?.d/*
sed -i 's,/etc/default/ssh,/etc/sysconfig/sshd,; s,SSHD_OPTS,OPTIONS,' usr/lib/systemd/system/sshd.service
echo 'OPTIONS=' > etc/sysconfig/sshd
mkdir -p etc/systemd/system/multi-user.target.wants
ln -sf /usr/lib/systemd/system/firewalld.service etc/systemd/system/multi-user.target.wants/firewalld.service
[ ! -e etc/nftables.conf ] || mv etc/nftables.conf etc/sysconfig/nftables.conf
echo '# Uncomment the include statement here to load the default config sample' > etc/sysconfig/nftables.conf
sed -i 's,/etc/nftables.conf,/etc/sysconfig/nftables.conf,' usr/lib/systemd/system/nftables.service

# --- accounts and sudo ---
sed -i '/^sudo:/d; /^wheel:/d' etc/group etc/gshadow
sed -i '/^uucp:/d' etc/group etc/passwd etc/shadow # Debian's has the number of wheel
sed -i '/^g *sudo/d; /^[gu] *uucp/d' usr/lib/sysusers.d/*.conf
echo 'wheel:x:10:admin' >> etc/group
rm -f etc/sudoers.d/*
cat > etc/sudoers <<'F'
Defaults   !visiblepw
Defaults    always_set_home
Defaults    match_group_by_gid
Defaults    always_query_group_plugin
Defaults    env_reset
Defaults    env_keep =  "COLORS DISPLAY HOSTNAME HISTSIZE KDEDIR LS_COLORS"
Defaults    env_keep += "MAIL PS1 PS2 QTDIR USERNAME LANG LC_ADDRESS LC_CTYPE"
Defaults    env_keep += "LC_COLLATE LC_IDENTIFICATION LC_MEASUREMENT LC_MESSAGES"
Defaults    env_keep += "LC_MONETARY LC_NAME LC_NUMERIC LC_PAPER LC_TELEPHONE"
Defaults    env_keep += "LC_TIME LC_ALL LANGUAGE LINGUAS _XKB_CHARSET XAUTHORITY"
Defaults    secure_path = /sbin:/bin:/usr/sbin:/usr/bin
root	ALL=(ALL) 	ALL
%wheel	ALL=(ALL)	ALL
#includedir /etc/sudoers.d
F
chmod 440 etc/sudoers

chown root:root etc/shadow etc/gshadow etc/shadow- etc/gshadow-
chmod 0 etc/shadow etc/gshadow etc/shadow- etc/gshadow-
mkdir -p var/spool/cron
chmod 700 var/spool/cron

# --- what a login gives ---
cat > etc/login.defs <<'F'
MAIL_DIR	/var/spool/mail
UMASK		022
HOME_MODE	0700
PASS_MAX_DAYS	99999
PASS_MIN_DAYS	0
PASS_WARN_AGE	7
UID_MIN                  1000
UID_MAX                 60000
SYS_UID_MIN               201
SYS_UID_MAX               999
GID_MIN                  1000
GID_MAX                 60000
CREATE_HOME	yes
USERGROUPS_ENAB yes
ENCRYPT_METHOD SHA512
F
cat > etc/profile <<'F'
# /etc/profile
# System wide environment and startup programs, for login setup
# Functions and aliases go in /etc/bashrc
HOSTNAME=$(/usr/bin/hostnamectl --transient 2>/dev/null) || HOSTNAME=$(/usr/bin/hostname)
HISTSIZE=1000
export PATH USER LOGNAME MAIL HOSTNAME HISTSIZE HISTCONTROL
for i in /etc/profile.d/*.sh /etc/profile.d/sh.local ; do
    if [ -r "$i" ]; then
        if [ "${-#*i}" != "$-" ]; then
            . "$i"
        else
            . "$i" >/dev/null
        fi
    fi
done
unset i
if [ -n "${BASH_VERSION-}" ] ; then
        if [ -f /etc/bashrc ] ; then
                . /etc/bashrc
       fi
fi
F
cat > etc/bashrc <<'F'
# /etc/bashrc
# System wide functions and aliases
if [ -z "$BASHRCSOURCED" ]; then
  BASHRCSOURCED="Y"
  if ! shopt -q login_shell ; then # We're not a login shell
    # Set default umask for non-login shell only if it is set to 0
    [ `umask` -eq 0 ] && umask 022
    SHELL=/bin/bash
    for i in /etc/profile.d/*.sh; do
        if [ -r "$i" ]; then
            . "$i"
        fi
    done
    unset i
  fi
fi
F

# --- PAM as authselect's profile "minimal" writes it, with faillock off, as it comes ---
for stack in system-auth password-auth; do
    cat > "etc/pam.d/$stack" <<'F'
# Generated by authselect
# Do not modify this file manually, use authselect instead. Any user changes will be overwritten.
# You can stop authselect from managing your configuration by calling 'authselect opt-out'.
# See authselect(8) for more details.
auth        required                                     pam_env.so
auth        required                                     pam_faildelay.so delay=2000000
auth        sufficient                                   pam_unix.so nullok
auth        required                                     pam_deny.so

account     required                                     pam_unix.so

password    requisite                                    pam_pwquality.so
password    sufficient                                   pam_unix.so sha512 shadow nullok use_authtok
password    required                                     pam_deny.so

session     optional                                     pam_keyinit.so revoke
session     required                                     pam_limits.so
-session    optional                                     pam_systemd.so
session     [success=1 default=ignore]                   pam_succeed_if.so service in crond quiet use_uid
session     required                                     pam_unix.so
F
done
service() { # NAME STACK: lines on stdin come before the stack's
    { echo '#%PAM-1.0'; cat; for kind in auth account password session; do
        printf '%-10s include      %s\n' "$kind" "$2"; done; } > "etc/pam.d/$1"
}
service sshd password-auth < /dev/null
service login system-auth < /dev/null
service sudo system-auth < /dev/null
service su system-auth <<'F'
auth            required        pam_env.so
auth            sufficient      pam_rootok.so
# Uncomment the following line to require a user to be in the "wheel" group.
#auth           required        pam_wheel.so use_uid
F
for name in crond other chfn chsh runuser systemd-user polkit-1; do service "$name" system-auth < /dev/null; done
printf '#%%PAM-1.0\npassword\tsubstack\tsystem-auth\n' > etc/pam.d/passwd
rm -f etc/pam.d/{cron,newusers,chpasswd,su-l,runuser-l}
mkdir -p etc/security/pwquality.conf.d
echo '# minlen = 8' > etc/security/pwquality.conf
echo '# deny = 3' > etc/security/faillock.conf

# --- sshd under the system-wide crypto policy ---
mkdir -p etc/crypto-policies/back-ends etc/ssh/sshd_config.d
echo DEFAULT > etc/crypto-policies/config
cat > etc/ssh/sshd_config <<'F'
# This is the sshd server system-wide configuration file.  See sshd_config(5) for more information.
Include /etc/ssh/sshd_config.d/*.conf
#Port 22
#PermitRootLogin prohibit-password
AuthorizedKeysFile	.ssh/authorized_keys
Subsystem	sftp	/usr/libexec/openssh/sftp-server
F
cat > etc/ssh/sshd_config.d/50-redhat.conf <<'F'
# This system is following system-wide crypto policy. The changes to
# crypto properties (Ciphers, MACs, ...) will not have any effect in
# this or following included files. To override some configuration option,
# write it before this block or include it before this file.
# Please, see manual pages for update-crypto-policies(8) and sshd_config(5).
Include /etc/crypto-policies/back-ends/opensshserver.config

SyslogFacility AUTHPRIV

ChallengeResponseAuthentication no

GSSAPIAuthentication yes
GSSAPICleanupCredentials no

UsePAM yes

X11Forwarding yes

# It is recommended to use pam_motd in /etc/pam.d/sshd instead of PrintMotd,
# as it is more configurable and versatile than the built-in version.
PrintMotd no
F
cat > etc/crypto-policies/back-ends/opensshserver.config <<'F'
Ciphers aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,aes256-ctr,aes128-gcm@openssh.com,aes128-ctr
MACs hmac-sha2-256-etm@openssh.com,hmac-sha1-etm@openssh.com,umac-128-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha2-256,hmac-sha1,umac-128@openssh.com,hmac-sha2-512
GSSAPIKexAlgorithms gss-curve25519-sha256-,gss-nistp256-sha256-,gss-group14-sha256-,gss-group16-sha512-
KexAlgorithms curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521,diffie-hellman-group-exchange-sha256,diffie-hellman-group14-sha256,diffie-hellman-group16-sha512,diffie-hellman-group18-sha512
HostKeyAlgorithms ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,ssh-ed25519,rsa-sha2-256,rsa-sha2-512
PubkeyAcceptedAlgorithms ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,ssh-ed25519,rsa-sha2-256,rsa-sha2-512
CASignatureAlgorithms ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,ssh-ed25519,rsa-sha2-256,rsa-sha2-512
RequiredRSASize 2048
F

# --- kernel parameters ---
: > etc/sysctl.conf
ln -s ../sysctl.conf etc/sysctl.d/99-sysctl.conf
printf 'kernel.yama.ptrace_scope = 0\n' > usr/lib/sysctl.d/10-default-yama-scope.conf
printf 'kernel.core_pattern=|/usr/lib/systemd/systemd-coredump %%P %%u %%g %%s %%t %%c %%h\n' > usr/lib/sysctl.d/50-coredump.conf
printf 'kernel.kptr_restrict = 1\nnet.ipv4.conf.all.rp_filter = 1\n' > usr/lib/sysctl.d/50-redhat.conf
cat > usr/lib/sysctl.d/50-default.conf <<'F'
kernel.sysrq = 16
kernel.core_uses_pid = 1
net.ipv4.conf.default.rp_filter = 2
net.ipv4.conf.*.rp_filter = 2
-net.ipv4.conf.all.rp_filter
net.ipv4.conf.default.accept_source_route = 0
net.ipv4.conf.*.accept_source_route = 0
-net.ipv4.conf.all.accept_source_route
net.ipv4.conf.default.promote_secondaries = 1
net.ipv4.conf.*.promote_secondaries = 1
-net.ipv4.conf.all.promote_secondaries
-net.ipv4.ping_group_range = 0 2147483647
-net.core.default_qdisc = fq_codel
fs.protected_hardlinks = 1
fs.protected_symlinks = 1
fs.protected_regular = 1
fs.protected_fifos = 1
F

# --- SELinux, and where the logs are ---
mkdir -p etc/selinux/targeted
printf 'SELINUX=enforcing\nSELINUXTYPE=targeted\n' > etc/selinux/config
rm -f var/log/{syslog,auth.log,kern.log,user.log,daemon.log,mail.log,cron.log}
touch var/log/{messages,secure,maillog,cron,spooler}
chmod 600 var/log/{messages,secure,maillog,cron,spooler}
[ ! -e etc/rsyslog.conf ] || cat > etc/rsyslog.conf <<'F'
global(workDirectory="/var/lib/rsyslog")
module(load="builtin:omfile" Template="RSYSLOG_TraditionalFileFormat")
module(load="imuxsock" SysSock.Use="off")
module(load="imjournal" UsePid="system" FileCreateMode="0644" StateFile="imjournal.state")
include(file="/etc/rsyslog.d/*.conf" mode="optional")
*.info;mail.none;authpriv.none;cron.none                /var/log/messages
authpriv.*                                              /var/log/secure
mail.*                                                  -/var/log/maillog
cron.*                                                  /var/log/cron
*.emerg                                                 :omusrmsg:*
uucp,news.crit                                          /var/log/spooler
local7.*                                                /var/log/boot.log
F
