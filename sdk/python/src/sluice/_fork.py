"""Keeps clients and batchers working when the process forks.

A child has the memory of its parent but none of the parent's threads. Every
registered object is told to start empty in the child; events that the parent
had queued are sent by the parent only.
"""

from __future__ import annotations

import os
import weakref
from typing import Any, List

_registered: weakref.WeakSet[Any] = weakref.WeakSet()
_held: List[Any] = []


def register(thing: Any) -> None:
    """Registers `thing`, which has `_after_fork_in_child`, and may have `_before_fork` and `_after_fork_in_parent`."""
    _registered.add(thing)


def _before() -> None:
    # A lock that another thread holds at the fork would stay locked in the child for ever.
    _held[:] = list(_registered)
    for thing in _held:
        if hasattr(thing, "_before_fork"):
            thing._before_fork()


def _in_parent() -> None:
    for thing in _held:
        if hasattr(thing, "_after_fork_in_parent"):
            thing._after_fork_in_parent()
    _held.clear()


def _in_child() -> None:
    for thing in _held:
        thing._after_fork_in_child()
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
