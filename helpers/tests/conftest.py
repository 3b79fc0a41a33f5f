"""Property tests draw the same examples on every machine, and may take as long as a busy one needs."""

from hypothesis import settings

settings.register_profile("steady", deadline=None, derandomize=True, max_examples=30)
settings.load_profile("steady")
