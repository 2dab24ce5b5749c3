"""What every run does, whatever its task."""
