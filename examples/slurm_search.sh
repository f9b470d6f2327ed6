#!/bin/bash
# A search on Slurm: task 0 of the array is KerasTuner's chief, the others are its workers.
#
#     sbatch examples/slurm_search.sh [--trials 12]
#
# Submit it in a directory that all nodes share, with a multitrack.toml that names the trackers. Another size: sbatch
# --array=0-16. PYTHON is the interpreter, SEARCH the program, CHIEF_HOST the chief's address where `hostname -i` gives a
# loopback one. A worker that Slurm requeues has the same number again, and repeats its trial. If the chief is requeued,
# cancel the array and submit it again in the same directory: the workers keep the address that they began with.
#SBATCH --job-name=search
#SBATCH --array=0-4
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=1
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%a.log
set -euo pipefail

: "${PYTHON:=python3}" "${SEARCH:=examples/distributed_search.py}"
address=".chief-$SLURM_ARRAY_JOB_ID" # of this job, so that no worker finds the address of an earlier one

if [ "$SLURM_ARRAY_TASK_ID" = 0 ]; then
  export KERASTUNER_TUNER_ID=chief
  host=${CHIEF_HOST:-$(hostname -i | cut -d' ' -f1)}
  port=$("$PYTHON" -c 'import socket, sys; s = socket.create_server((sys.argv[1], 0)); print(s.getsockname()[1])' "$host")
  echo "$host $port" > "$address.new"
  mv "$address.new" "$address"
else
  export KERASTUNER_TUNER_ID="worker-$SLURM_ARRAY_TASK_ID"
  until [ -s "$address" ]; do sleep 1; done
fi
read -r KERASTUNER_ORACLE_IP KERASTUNER_ORACLE_PORT < "$address"
export KERASTUNER_ORACLE_IP KERASTUNER_ORACLE_PORT
exec "$PYTHON" "$SEARCH" "$@"
