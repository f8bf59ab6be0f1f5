"""The commands of `mrc COMMAND`, one file each; the other files serve them."""
