"""The demo's own pieces: what plays the world outside, so that one machine is enough."""
