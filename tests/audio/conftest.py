"""Recordings made once by ffmpeg: three seconds and seven tenths of a tone in every container."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

SECONDS = 3.7
ENCODINGS = {
    "tone.wav": [],
    "tone.mp3": [],
    "no-xing.mp3": ["-write_xing", "0"],
    "low-rate.mp3": ["-ar", "16000", "-b:a", "32k"],
    "tone.flac": [],
    "vorbis.ogg": ["-c:a", "libvorbis"],
    "opus.ogg": ["-c:a", "libopus"],
    "tone.m4a": [],
    "tone.webm": [],
    "tone.aac": [],
    "fragmented.mp4": ["-movflags", "frag_keyframe+empty_moov"],
    "float.wav": ["-c:a", "pcm_f32le"],
    "adpcm.wav": ["-c:a", "adpcm_ms"],
    "mulaw.wav": ["-c:a", "pcm_mulaw"],
    "surround.wav": ["-ac", "6", "-c:a", "pcm_s24le"],  # WAVE_FORMAT_EXTENSIBLE
    "rf64.wav": ["-rf64", "always"],
}
STREAMED = {"streamed.wav": "wav", "live.webm": "webm", "streamed.flac": "flac"}  # to a pipe: nothing can be filled in


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recordings")
    tone = ["-f", "lavfi", "-i", f"sine=440:duration={SECONDS}:sample_rate=44100"]
    base = ["ffmpeg", "-v", "error", *tone, "-metadata", "title=a title", "-metadata", "comment=" + "x" * 3000]
    outputs = [argument for name, options in ENCODINGS.items() for argument in (*options, str(folder / name))]
    subprocess.run([*base, *outputs], check=True)
    for name, container in STREAMED.items():
        with open(folder / name, "wb") as output:
            subprocess.run([*base, "-f", container, "-"], stdout=output, check=True)
    return folder
