#!/bin/sh
# Starts the processes of one node.
#
#   launch.sh FOLDER        on every node; FOLDER is shared, and `ready` in it says that the data is there
#
# FOLDER/launch.env names the python, the number of processes and nodes, and where the first node is met. The training
# program writes it and starts this on the first node; on the others the scheduler does (srun launch.sh FOLDER), and
# they wait. No secret is in the folder or in the environment.
set -eu
folder=$1
waited=0
while [ ! -e "$folder/ready" ]; do
    waited=$((waited + 1))
    if [ "$waited" -gt "${FACULTY_LAUNCH_PATIENCE_SECONDS:-3600}" ]; then
        echo "launch: $folder/ready did not come" >&2
        exit 1
    fi
    sleep 1
done
. "$folder/launch.env"
if [ "$nodes" -eq 1 ]; then
    where=--standalone
else
    # The first node is the one that the training program runs on.
    where="--nnodes=$nodes --rdzv-backend=c10d --rdzv-id=$run --rdzv-endpoint=$meeting"
fi
# Slurm may send it to every process of a job. The training program hears it too, and asks for a checkpoint.
trap '' USR1
# Nothing goes on when the training program is gone, however it ended.
bound=
if command -v setpriv >/dev/null 2>&1; then bound="setpriv --pdeathsig KILL"; fi
# shellcheck disable=SC2086
exec $bound "$python" -m torch.distributed.run $where --nproc-per-node="$processes" "$folder/train.py" "$folder"
