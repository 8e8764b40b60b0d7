from .registry import read_source as read_source

__all__ = ["read_source"]
