"""The server behind `mrc serve`: its socket, its API and its page."""
