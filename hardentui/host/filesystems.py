"""Types of file systems whose files stand elsewhere."""

from __future__ import annotations

import re

# Of a server, or of a user's own process. fuseblk (ntfs-3g) is a disk of this machine.
_REMOTE = re.compile(
    r"nfs4?|cifs|smb3?|smbfs|9p|ceph|afs|ncpfs|gfs2?|ocfs2|glusterfs|lustre|davfs|fuse(?:\..*)?"
)


def is_remote(fstype: str) -> bool:
    """Whether touching a file there may wait for another machine, or for what a user's process answers."""
    return _REMOTE.fullmatch(fstype) is not None
