from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from box import Box


@pytest.fixture
def box():
    """Needs root: the script refuses anyone else, and so do namespaces of mounts and network."""
    if os.geteuid() != 0 or shutil.which("nsenter") is None:
        pytest.skip("needs root, unshare and nsenter")
    scratch = Path(tempfile.mkdtemp(prefix="hardentui-box-"))
    scratch.chmod(0o755)
    made = Box(scratch)
    yield made
    made.close()
    shutil.rmtree(scratch)
