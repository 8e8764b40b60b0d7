"""The libraries that can compute a network, behind one protocol."""

from lymphoscope.inference.runtimes.choose import open_network
from lymphoscope.inference.runtimes.protocol import NetworkPass, NetworkRuntime

__all__ = ["NetworkPass", "NetworkRuntime", "open_network"]
