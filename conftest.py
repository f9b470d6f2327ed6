"""Every property test, and its long form: ``pytest --hypothesis-profile=long -k property``."""

from hypothesis import HealthCheck, settings

# How long an example takes, or is in the making, is up to the machine. (The rest is as Hypothesis has it, also its own
# profile where ``CI`` is set.)
PATIENT = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("patient", **PATIENT)
settings.load_profile("patient")

# Each test's examples are counted per hundred of the profile's.
settings.register_profile("long", max_examples=1000, print_blob=True, **PATIENT)
