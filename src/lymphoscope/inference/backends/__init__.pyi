from .protocol import NetworkPass as NetworkPass, NetworkRuntime as NetworkRuntime
from .registry import open_network as open_network

__all__ = ["NetworkPass", "NetworkRuntime", "open_network"]
