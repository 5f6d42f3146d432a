#!/usr/bin/env python3
"""Prints ports of loopback on which nothing listens: tests/free_port.py [COUNT]

They lie below the range from which the kernel takes the ports of outgoing
connections, so that none of these takes one before its server listens on it.
"""
import random
import socket
import sys

LOWEST, HIGHEST = 10_000, 32_000
_given = set()


def free_port() -> int:
    """A port that was not given by this process before."""
    while True:
        port = random.SystemRandom().randrange(LOWEST, HIGHEST)
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port


if __name__ == "__main__":
    print(*(free_port() for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 1)))
