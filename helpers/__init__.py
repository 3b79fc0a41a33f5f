"""What the notebooks share, in reading order: `datasets`, `training`, `plotting`, `claims`, `pad`."""
