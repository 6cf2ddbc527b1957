"""The kernel itself: how it was built, how it is started, and whether code can still be put into it."""

from hardentui.resources.kernel.build import KernelBuild
from hardentui.resources.kernel.command_line import CommandLine
from hardentui.resources.kernel.integrity import KernelIntegrity
from hardentui.resources.kernel.loader import BootLoader

__all__ = ["BootLoader", "CommandLine", "KernelBuild", "KernelIntegrity"]
