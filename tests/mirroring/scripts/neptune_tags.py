import neptune

run = neptune.init_run(project="team/digits", tags=["draft"])
run["sys/tags"].add(["kept", "later"])
run["sys/tags"].remove("draft")
run["sys/group_tags"].add("sweep-1")
run["my/words"].add(["a", "b"])
run["my/words"].remove("a")
run["sys/name"] = "renamed"
run["n"] = 3
run.stop()
