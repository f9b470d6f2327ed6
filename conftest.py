"""The long form of every property test: ``pytest --hypothesis-profile=long -k property``."""

from hypothesis import settings

# Each test's examples are counted per hundred of the profile's.
settings.register_profile("long", max_examples=1000, deadline=None, print_blob=True)
