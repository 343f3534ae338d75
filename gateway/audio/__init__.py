"""Facts about bytes of audio: what they are, how long they last, how they are wrapped, how a transcript is written."""
