"""A stretch of a file is a WAV file of its own."""

from __future__ import annotations

import io
import tempfile
import wave
from pathlib import Path

from gateway.audio.window import WavWindow


def test_it_reads_as_a_file_with_its_own_header(tmp_path: Path) -> None:
    samples = bytes(range(256)) * 40
    with tempfile.TemporaryFile() as file:
        file.write(samples)
        file.flush()
        windows = [io.BufferedReader(WavWindow(file, start, start + 2_000, 16_000)) for start in (0, 2_000, 8_000)]
        first = [window.read(50) for window in windows]  # in turns: none moves another
        for window, start, begun in zip(windows, (0, 2_000, 8_000), first, strict=True):
            with wave.open(io.BytesIO(begun + window.read())) as read:
                assert (read.getframerate(), read.getnchannels(), read.getsampwidth()) == (16_000, 1, 2)
                assert read.readframes(5_000) == samples[start : start + 2_000]
            assert window.seek(0, io.SEEK_END) == 2_044
            window.seek(44)
            assert window.read(4) == samples[start : start + 4]
            assert window.read() == samples[start + 4 : start + 2_000]
            assert window.read() == b""
