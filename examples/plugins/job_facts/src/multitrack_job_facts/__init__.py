"""Tags each run with the SLURM job or the Kubernetes pod that it ran in: an example of the hook ``run_context``.

Only the listed variables are read. The rest of an environment holds passwords and keys, and never becomes a tag.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from multitrack.markers import hookimpl

__all__ = ["JobFacts", "plugin"]

#: Variables that SLURM sets in a job, by tag.
SLURM: Final = {
    "slurm/job_id": "SLURM_JOB_ID",
    "slurm/job_name": "SLURM_JOB_NAME",
    "slurm/array_job_id": "SLURM_ARRAY_JOB_ID",
    "slurm/array_task_id": "SLURM_ARRAY_TASK_ID",
    "slurm/cluster": "SLURM_CLUSTER_NAME",
    "slurm/partition": "SLURM_JOB_PARTITION",
    "slurm/account": "SLURM_JOB_ACCOUNT",
    "slurm/nodes": "SLURM_JOB_NODELIST",
    "slurm/node_count": "SLURM_JOB_NUM_NODES",
    "slurm/restarts": "SLURM_RESTART_COUNT",
}
#: Variables of a pod, by tag. Kubernetes sets the last one in an indexed job; the others come from the pod's manifest,
#: as the README shows.
KUBERNETES: Final = {
    "kubernetes/pod": "POD_NAME",
    "kubernetes/namespace": "POD_NAMESPACE",
    "kubernetes/node": "NODE_NAME",
    "kubernetes/job_index": "JOB_COMPLETION_INDEX",
}
#: The file with the namespace, which Kubernetes mounts beside the token of the pod's service account.
NAMESPACE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
#: Kubernetes sets this variable in every pod.
IN_A_POD: Final = "KUBERNETES_SERVICE_HOST"


class JobFacts:
    """Adds the tags.

    Args:
        namespace: The file with the namespace of the pod.
    """

    name = "job_facts"

    def __init__(self, namespace: Path = NAMESPACE) -> None:
        self._namespace = namespace

    @hookimpl
    def run_context(self) -> dict[str, Any]:
        """Return the tags of this process; none outside of SLURM and Kubernetes."""
        tags = _set(SLURM, os.environ)
        if IN_A_POD in os.environ:
            # Without POD_NAME the host's name is the pod's, unless the pod uses the network of its node.
            tags |= _set({"kubernetes/pod": "HOSTNAME"}, os.environ) | self._namespace_tag()
            tags |= _set(KUBERNETES, os.environ)
        return {"tags": tags}

    def _namespace_tag(self) -> dict[str, str]:
        """Return the namespace of the pod's service account; nothing if the pod has none."""
        try:
            return {"kubernetes/namespace": self._namespace.read_text(encoding="utf-8").strip()}
        except FileNotFoundError:
            return {}


def _set(variables: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """Return the values of those variables that are set and not empty."""
    return {tag: value for tag, variable in variables.items() if (value := environment.get(variable))}


#: The object that the entry point names.
plugin = JobFacts()
