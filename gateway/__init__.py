"""AI service gateway: one endpoint for language models, text-to-speech and speech-to-text."""

__version__ = "0.1.0"
