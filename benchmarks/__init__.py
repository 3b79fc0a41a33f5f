"""How fast the notebooks' training is, side by side with what people would use instead: `make bench`."""
