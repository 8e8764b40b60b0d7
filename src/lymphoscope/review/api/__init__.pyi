from .routers import ROUTERS as ROUTERS

__all__ = ["ROUTERS"]
