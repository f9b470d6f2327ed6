"""Labels at the start and later, and a set of texts."""

import neptune

run = neptune.init_run(project="team/digits", tags=["a", "b"], capture_hardware_metrics=False, capture_stdout=False)
run["sys/tags"].add("c")
run["sys/tags"].add(["d", "e"])
run["data/classes"].add(["cat", "dog"])
run.wait(disk_only=True)
run.stop()
