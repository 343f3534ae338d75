"""What the process that decodes recordings writes: records of a kind byte, u32 length and content, big-endian.

`S` holds samples, 16 kHz mono s16le; `Q` quiet places, one of each second of the samples before it: f64 seconds, u16
level.
"""

from __future__ import annotations

import struct

RATE_HZ = 16_000  # what recognisers work with; nothing of speech is lost
RECORD = struct.Struct(">cI")
PLACE = struct.Struct(">dH")

Place = tuple[float, int]  # seconds, level
