"""One file a command of `mrc COMMAND`."""
