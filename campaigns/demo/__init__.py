"""The demo's own pieces: they play the world outside on one machine."""
