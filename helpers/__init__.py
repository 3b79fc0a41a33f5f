"""What the five notebooks share, in reading order: `data`, `training`, `plotting`."""
