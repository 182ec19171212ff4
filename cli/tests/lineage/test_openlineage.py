"""OpenLineage events, held against the classes of openlineage-python."""

from __future__ import annotations

import json
from typing import Any

import pytest
from amas_cli.lineage.building import lineage
from amas_cli.lineage.openlineage import events
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import column_lineage_dataset, parent_run, tags_dataset
from openlineage.client.serde import Serde

from .records import recording


def typed(event: dict[str, Any]) -> RunEvent:
    """The event by the client's classes, whose validators look at ids, times and addresses."""
    run = event["run"]
    return RunEvent(
        eventType=RunState(event["eventType"]),
        eventTime=event["eventTime"],
        producer=event["producer"],
        run=Run(run["runId"], {name: parent(facet) for name, facet in run["facets"].items()}),
        job=Job(**event["job"]),
        inputs=[InputDataset(one["namespace"], one["name"], facets=facets(one)) for one in event["inputs"]],
        outputs=[OutputDataset(one["namespace"], one["name"], facets=facets(one)) for one in event["outputs"]],
    )


def parent(facet: dict[str, Any]) -> parent_run.ParentRunFacet:
    return parent_run.ParentRunFacet(
        run=parent_run.Run(**facet["run"]), job=parent_run.Job(**facet["job"]), producer=facet["_producer"]
    )


def facets(dataset: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, facet in dataset["facets"].items():
        if name == "tags":
            tags = [tags_dataset.TagsDatasetFacetFields(**tag) for tag in facet["tags"]]
            made[name] = tags_dataset.TagsDatasetFacet(tags=tags, producer=facet["_producer"])
        else:
            assert name == "columnLineage"
            columns = {field: column(said) for field, said in facet["fields"].items()}
            made[name] = column_lineage_dataset.ColumnLineageDatasetFacet(columns, producer=facet["_producer"])
    return made


def column(said: dict[str, Any]) -> column_lineage_dataset.Fields:
    return column_lineage_dataset.Fields(
        [
            column_lineage_dataset.InputField(
                **{
                    **one,
                    "transformations": [
                        column_lineage_dataset.Transformation(**made) for made in one["transformations"]
                    ],
                }
            )
            for one in said["inputFields"]
        ]
    )


def bare(value: Any) -> Any:
    """Without what is empty, which the client leaves out."""
    if isinstance(value, dict):
        return {name: kept for name, one in value.items() if (kept := bare(one)) not in (None, {}, [])}
    return [bare(one) for one in value] if isinstance(value, list) else value


def test_the_client_reads_and_writes_the_same() -> None:
    """Its classes take each event, and write it again: every member, facet and schema address is one that it knows."""
    made = list(events(lineage(recording())))
    assert len(made) > 20
    for event in made:
        assert bare(json.loads(Serde.to_json(typed(event)))) == bare(event)


def test_the_client_refuses_what_is_none() -> None:
    """That the test above can fail."""
    event = next(events(lineage(recording())))
    with pytest.raises(ValueError, match="badly formed"):
        typed({**event, "run": {"runId": "run-1", "facets": {}}})


def test_each_run_starts_and_ends_once_and_has_the_same_id_each_time() -> None:
    """As the specification asks."""
    made = list(events(lineage(recording())))
    started = [event["run"]["runId"] for event in made if event["eventType"] == "START"]
    ended = [event["run"]["runId"] for event in made if event["eventType"] != "START"]
    assert len(set(started)) == len(started)
    assert sorted(started) == sorted(ended)
    assert made == list(events(lineage(recording())))


def test_fields_are_columns() -> None:
    """What stands in an argument word for word is column lineage."""
    (sent,) = [
        event["outputs"][0]
        for event in events(lineage(recording()))
        if event["outputs"] and event["outputs"][0]["name"] == "run-1/action:triage/0/0"
    ]
    fields = sent["facets"]["columnLineage"]["fields"]
    assert ("run-1/input", "/input/ticket") in {
        (one["name"], one["field"]) for one in fields["/arguments/ticket"]["inputFields"]
    }
