"""Several runs in one process, one after the other and at once."""

import neptune

for rate in (0.1, 0.01):
    run = neptune.init_run(
        project="team/sweep", custom_run_id=f"sweep {rate}", capture_hardware_metrics=False, capture_stdout=False
    )
    run["lr"] = rate
    for step in range(3):
        run["loss"].append(rate * step)
    run.stop()
one = neptune.Run(project="team/sweep", capture_hardware_metrics=False, capture_stdout=False, tags="pair")
two = neptune.Run(project="team/sweep", capture_hardware_metrics=False, capture_stdout=False, tags="pair")
for number, each in enumerate((one, two)):
    each["number"] = number
    each["value"].append(number)
one["value"].append(10)
two.stop()
one.stop()
