"""A run under an id of the code's own, which it never stops."""

import sys

import neptune

run = neptune.init_run(project="team/digits", custom_run_id="mine", monitoring_namespace="monitoring")
run["loss"].append(0.5)
print("leaving")
sys.exit(3)
