"""How Hypothesis runs here: the same examples every time, on every machine."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "fixed",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=300,
    # A busy machine is slow at making examples, which says nothing about the code.
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.load_profile("fixed")
