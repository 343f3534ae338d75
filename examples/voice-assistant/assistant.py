"""Talk with a model: each turn is heard, answered and spoken, and its receipt is printed.

python assistant.py                     # the microphone, by arecord
python assistant.py hello.wav more.wav  # a turn a recording
python assistant.py --script turns.txt  # a turn a line, which the gateway speaks for you first
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path

from openai import OpenAI

GATEWAY = os.getenv("GATEWAY_URL", "http://127.0.0.1:8001")
client = OpenAI(base_url=f"{GATEWAY}/v1", api_key=os.getenv("GATEWAY_KEY", "none"))


class Assistant:
    """What was said so far, and what it cost."""

    def __init__(self, hear: str, think: str, speak: str) -> None:
        self.models = {"hear": hear, "think": think, "speak": speak}
        self.talk = [{"role": "system", "content": "You are spoken to, and your answer is read aloud. Be brief."}]
        self.cost_usd = Decimal(0)

    def turn(self, recording: Path, answer: Path) -> None:
        """Hear a recording, answer it in the conversation so far, and speak the answer into a file."""
        asked = self.do("hear", client.audio.transcriptions, file=recording).text
        print(f"you:  {asked}")
        self.talk.append({"role": "user", "content": asked})
        said = self.do("think", client.chat.completions, messages=self.talk).choices[0].message.content
        print(f"it:   {said}")
        self.talk.append({"role": "assistant", "content": said})
        self.speak(said, answer)

    def speak(self, text: str, file: Path) -> None:
        speech = self.do("speak", client.audio.speech, voice="nova", input=text, response_format="wav")
        file.write_bytes(speech.content)

    def do(self, what: str, endpoint, **asked):
        """Call an endpoint, print what its answer says of itself, and return it."""
        began_s = time.perf_counter()
        raw = endpoint.with_raw_response.create(model=self.models[what], **asked)
        answer, head = raw.parse(), raw.headers
        # A stream of sound may begin before its cost is known: then it is in the ledger alone (`gateway usage`).
        cost = head.get("x-gateway-cost-usd")
        self.cost_usd += Decimal(cost or 0)
        by = f"{head['x-gateway-provider']}/{head['x-gateway-model']}"
        ms = (time.perf_counter() - began_s) * 1000
        print(f"      {what:5} {by:28} {cost or 'in the ledger':>13} USD {ms:7.0f} ms")
        return answer


def recorded(folder: Path) -> Iterator[Path]:
    """Yield what is said into the microphone, a turn at a time, until there is nothing more to read."""
    if shutil.which("arecord") is None:
        sys.exit("arecord is not here (Debian: alsa-utils); give recordings instead, or --script turns.txt")
    number = 0
    while True:
        try:
            input("Enter begins and ends a turn, Ctrl-D the talk. ")
        except EOFError:
            return
        number += 1
        file = folder / f"question-{number}.wav"
        arecord = subprocess.Popen(["arecord", "-q", "-f", "S16_LE", "-r", "16000", "-c", "1", file])
        input()
        arecord.terminate()
        arecord.wait()
        yield file


def spoken(script: Path, folder: Path, assistant: Assistant) -> Iterator[Path]:
    """Yield a recording for each line of a script, in the gateway's own voice."""
    for number, line in enumerate(script.read_text().splitlines(), 1):
        file = folder / f"question-{number}.wav"
        assistant.speak(line, file)
        yield file


def main() -> None:
    parser = argparse.ArgumentParser(description="Talk with a model through the gateway.")
    parser.add_argument("recordings", nargs="*", type=Path, help="a turn each; none: the microphone")
    parser.add_argument("--script", type=Path, help="a turn a line, spoken by the gateway first")
    parser.add_argument("--folder", type=Path, default=Path("talk"), help="where what is said is kept")
    parser.add_argument("--hear", default="transcribe", help="model that writes down what you say")
    parser.add_argument("--think", default="fast", help="model that answers")
    parser.add_argument("--speak", default="speak", help="model that speaks")
    options = parser.parse_args()
    options.folder.mkdir(exist_ok=True)

    assistant = Assistant(options.hear, options.think, options.speak)
    turns: Iterable[Path] = options.recordings
    if options.script:
        turns = spoken(options.script, options.folder, assistant)
    elif not options.recordings:
        turns = recorded(options.folder)
    for number, recording in enumerate(turns, 1):
        answer = options.folder / f"answer-{number}.wav"
        assistant.turn(recording, answer)
        if sys.stdout.isatty() and shutil.which("aplay"):
            subprocess.run(["aplay", "-q", answer], check=False)
    print(f"all:  {assistant.cost_usd:f} USD")


if __name__ == "__main__":
    main()
