"""A checklist as a person writes one, whole and small, for tests that change a line of it."""

from __future__ import annotations

CHECKLIST = """\
format = 1
chapter = "sysctl"
number = 2
version = "1"
title = { en = "Kernel", fr = "Noyau" }

[documents.course]
title = "Course"
edition = "1"

[[questions]]
id = "ipv6"
title = { en = "IPv6?", fr = "IPv6 ?" }
why = { en = "Because", fr = "Car" }
choices = [{ id = "yes", en = "Yes", fr = "Oui" }, { id = "no", en = "No", fr = "Non" }]

[[sections]]
id = "kernel"
title = { en = "Kernel", fr = "Noyau" }
text = { en = "Text", fr = "Texte" }

[[sections.recommendations]]
id = "sysctl.kptr"
title = { en = "Pointers", fr = "Pointeurs" }
resource = "sysctl"
subject = "kernel.kptr_restrict"
accept = { at-least = 1 }
target = "2"
level = "minimal"
level-by = "anssi"
severity = "low"
why = { en = "Why", fr = "Pourquoi" }
risk = { en = "Risk", fr = "Risque" }
sources = ["course:1"]
when = [{ question = "ipv6", is = ["yes"] }]
hazards = ["container-engine"]
"""


def asking(question: str) -> str:
    """The checklist with these lines in the place of its question, and nothing that depends on that one."""
    head, _question, rest = CHECKLIST.partition("[[questions]]")
    body = rest.partition("[[sections]]")[2].replace('when = [{ question = "ipv6", is = ["yes"] }]\n', "")
    return f"{head}{question}\n[[sections]]{body}"
