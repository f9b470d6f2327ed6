"""What MLflow keeps beside runs and has no place in a journal: each call says so.

Searches are answered, with nothing: MLflow's pages and clients make them on their own.
"""

from __future__ import annotations

from typing import Any

from mlflow.store.entities.paged_list import PagedList

from multitrack_mlflow.store.errors import refusing


class Unsupported:
    """The methods of MLflow's store that this one refuses."""

    start_trace = end_trace = get_trace = get_trace_info = batch_get_traces = refusing("traces")
    deprecated_start_trace_v2 = deprecated_end_trace_v2 = _delete_traces = refusing("traces")
    log_spans = log_spans_async = set_trace_tag = delete_trace_tag = refusing("traces")
    link_traces_to_run = unlink_traces_from_run = link_prompts_to_trace = refusing("traces")
    create_assessment = get_assessment = update_assessment = delete_assessment = refusing("assessments of traces")
    create_dataset = get_dataset = delete_dataset = upsert_dataset_records = refusing("evaluation datasets")
    set_dataset_tags = delete_dataset_tag = add_dataset_to_experiments = refusing("evaluation datasets")
    remove_dataset_from_experiments = get_dataset_experiment_ids = refusing("evaluation datasets")
    register_scorer = get_scorer = delete_scorer = refusing("scorers")

    def search_traces(self, *_: Any, **__: Any) -> tuple[list[Any], str | None]:
        """No traces."""
        return [], None

    def search_datasets(self, *_: Any, **__: Any) -> PagedList[Any]:
        """No evaluation datasets."""
        return PagedList([], None)

    def list_scorers(self, *_: Any, **__: Any) -> list[Any]:
        """No scorers."""
        return []
