from pathlib import Path

import neptune
import numpy
from neptune.types import File

Path("weights.bin").write_bytes(b"weights")
Path("part.csv").write_text("a,b\n1,2\n")
run = neptune.init_run(project="team/digits", source_files=["weights.bin"])
run["model/weights"].upload("weights.bin")
run["model/more"].upload_files(["*.csv"])
run["note"].upload(File.from_content("some text", extension="txt"))
run["data/train"].track_files("s3://bucket.example/train")
run["data/local"].track_files("part.csv")
for step in (0, 5):
    run["samples"].append(File.as_image(numpy.full((2, 2), step / 5)), step=step, name="sample")
run["accuracy"] = 0.9
run.stop()
print(sorted(path.name for path in Path.cwd().glob("*.*")))
