"""Runs inside a fresh network namespace: loads nftables scripts, says what nft lists of each.

Standard library only. JSON comes in on stdin and goes out on stdout.
"""

from __future__ import annotations

import json
import subprocess
import sys

listed = []
for script in json.load(sys.stdin):
    subprocess.run(("nft", "flush", "ruleset"), check=True)
    subprocess.run(("nft", "-f", "-"), check=True, input=script, text=True)
    argv = ("nft", "--json", "list", "ruleset")
    listed.append(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)
json.dump(listed, sys.stdout)
