"""What the five notebooks share, in reading order: `datasets`, `training`, `plotting`, `pad`."""
