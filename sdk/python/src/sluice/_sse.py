"""Reads server-sent events (WHATWG HTML, 9.2) from chunks of bytes. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator, List, Optional

#: A longer line ends the stream with an error.
LINE_BYTES_MAX = 16 << 20


@dataclass(frozen=True)
class Message:
    """One block. `data` is None if the block only moves the position."""

    id: Optional[str]
    data: Optional[str]


class Parser:
    """Takes chunks, and yields the complete messages."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: List[str] = []
        self._id: Optional[str] = None
        self.retry_ms: Optional[int] = None

    def feed(self, chunk: bytes) -> Iterator[Message]:
        lines = (self._rest + chunk).split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > LINE_BYTES_MAX:
            raise ValueError(f"a line of the stream has more than {LINE_BYTES_MAX} bytes")
        for line in lines:
            message = self._line(line.rstrip(b"\r").decode("utf-8", "replace"))
            if message is not None:
                yield message

    def _line(self, line: str) -> Optional[Message]:
        if not line:
            message = Message(self._id, "\n".join(self._data) if self._data else None)
            self._data, self._id = [], None
            return message if message.id is not None or message.data is not None else None
        name, _, value = line.partition(":")
        value = value[1:] if value.startswith(" ") else value
        if name == "data":
            self._data.append(value)
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self.retry_ms = int(value)
        return None
