"""Files of the program, content that becomes a file, an image, and data elsewhere."""

from pathlib import Path

import neptune
import numpy as np
from neptune.types import File

Path("model.txt").write_text("weights")
Path("data").mkdir(exist_ok=True)
Path("data/one.csv").write_text("1\n")
Path("data/two.csv").write_text("2\n")
run = neptune.init_run(project="team/digits", capture_hardware_metrics=False, capture_stdout=False)
run["model"].upload("model.txt")
run["again"].upload(File.from_path("model.txt"))
run["text"].upload(File.from_content("some text"))
run["page"].upload(File.from_content("<p>page</p>", extension="html"))
run["image"].upload(File.as_image(np.linspace(0, 1, 12).reshape(3, 4)))
run["pickled"] = File.as_pickle({"a": 1})
for step in range(2):
    run["predictions"].append(File.as_image(np.zeros((2, 2, 3))), step=step, name=f"step {step}")
run["data"].upload_files("data/*.csv")
run["dataset"].track_files("s3://bucket/data")
run["lr"] = 0.1
run.wait(disk_only=True)
run.stop()
