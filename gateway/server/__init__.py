"""The door: aiohttp's server, what is refused before routing, the writer of answers, and the life of the process."""
