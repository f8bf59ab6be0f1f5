"""Where a run computes: its device, its processes, the signals that stop it, its terminal."""
