"""Verifies ed25519 signatures (RFC 8032, 5.1.7), since the standard library does not.

It verifies only, with public values, so nothing here needs to run in constant
time. Points are in extended homogeneous coordinates (RFC 8032, 5.1.4).
"""

from __future__ import annotations

import hashlib
from typing import Optional, Tuple

Point = Tuple[int, int, int, int]

P = 2**255 - 19
#: The order of the base point.
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SQRT_MINUS_1 = pow(2, (P - 1) // 4, P)
IDENTITY: Point = (0, 1, 1, 0)


def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` is by the owner of `public_key`."""
    if len(public_key) != 32 or len(signature) != 64:
        return False
    owner = decompress(public_key)
    commitment = decompress(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if owner is None or commitment is None or scalar >= L:
        return False
    challenge = int.from_bytes(hashlib.sha512(signature[:32] + public_key + message).digest(), "little") % L
    # [scalar]B == commitment + [challenge]owner, both sides multiplied out at once.
    return equal(multiply_two(scalar, BASE, challenge, negate(owner)), commitment)


def decompress(data: bytes) -> Optional[Point]:
    """The point that 32 bytes encode, if they do so canonically (5.1.3)."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    if y >= P:
        return None
    u, v = (y * y - 1) % P, (D * y * y + 1) % P
    x = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    if v * x * x % P == -u % P:
        x = x * SQRT_MINUS_1 % P
    if v * x * x % P != u or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return (x, y, 1, x * y % P)


def add(p: Point, q: Point) -> Point:
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def negate(p: Point) -> Point:
    return (-p[0] % P, p[1], p[2], -p[3] % P)


def equal(p: Point, q: Point) -> bool:
    return (p[0] * q[2] - q[0] * p[2]) % P == 0 and (p[1] * q[2] - q[1] * p[2]) % P == 0


def multiply_two(first: int, p: Point, second: int, q: Point) -> Point:
    """[first]p + [second]q, sharing the doublings."""
    table = (IDENTITY, p, q, add(p, q))
    result = IDENTITY
    for bit in range(max(first.bit_length(), second.bit_length()) - 1, -1, -1):
        result = add(result, result)
        chosen = (first >> bit & 1) | (second >> bit & 1) << 1
        if chosen:
            result = add(result, table[chosen])
    return result


_base = decompress((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))
assert _base is not None
BASE: Point = _base
