from __future__ import annotations

from collections import defaultdict

from amas_audit.domain.facets import describe
from amas_audit.domain.leaf import encode
from amas_audit.domain.merkle import leaf_hash
from amas_audit.domain.model import Appended, Label, Submission
from amas_audit.domain.preparing import prepare
from amas_audit.domain.sealing import Sealer, new_key
from amas_audit.domain.sequencing import Plan, Recorded, RunState, plan
from amas_chassis.errors import AmasError
from hypothesis import given
from hypothesis import strategies as st

from ..logs import content, event, submission


def fresh(*submissions: Submission, size: int = 0) -> Plan:
    return plan(submissions, size=size, known={}, runs={}, sealer=Sealer())


def places(outcome: tuple[Appended, ...] | AmasError) -> list[tuple[int, int, bool]]:
    assert not isinstance(outcome, AmasError), outcome
    return [(place.index, place.run_sequence, place.duplicate) for place in outcome]


def reason(outcome: tuple[Appended, ...] | AmasError) -> str:
    assert isinstance(outcome, AmasError)
    return outcome.reason


def test_indices_go_on_from_the_tree_and_sequences_from_the_run() -> None:
    """Order within a run is the order of arrival; runs do not disturb one another."""
    made = plan(
        [submission(event(1), event(2, run_id="run-2")), submission(event(3), event(4, run_id=""))],
        size=10,
        known={},
        runs={("acme", "run-1"): RunState(last_sequence=5)},
        sealer=Sealer(),
    )
    assert places(made.outcomes[0]) == [(10, 6, False), (11, 1, False)]
    assert places(made.outcomes[1]) == [(12, 7, False), (13, 0, False)]
    assert [entry.leaf_hash for entry in made.entries] == [leaf_hash(entry.leaf) for entry in made.entries]


def test_what_was_prepared_comes_out_the_same() -> None:
    """With contents and a label, in a run and outside of one: the leaf is what the event says in its place."""
    key = new_key(("acme", "alice", "standard"))
    both = (event(1, label=Label("internal"), contents=(content(b"1", subject="alice"),)), event(2, run_id=""))
    group = [submission(*both)]
    sealers = [Sealer({key.subject: key}) for _ in range(2)]
    now, before = (
        plan(one, size=0, known={}, runs={}, sealer=sealer)
        for one, sealer in zip((group, [prepare(group[0])]), sealers, strict=True)
    )
    assert [entry.leaf for entry in now.entries] == [entry.leaf for entry in before.entries]
    for entry in before.entries:
        assert entry.leaf == encode(entry.event, entry.source, entry.run_sequence)
        assert entry.described == describe(entry.event, entry.source)


def test_a_known_event_is_answered_as_before() -> None:
    """Idempotent by id: a retry gets the first place and adds nothing."""
    leaf = encode(event(1), "policy-sidecar", 4)
    made = plan(
        [submission(event(1))], size=9, known={("acme", "event-1"): Recorded(3, 4, leaf)}, runs={}, sealer=Sealer()
    )
    assert places(made.outcomes[0]) == [(3, 4, True)]
    assert made.entries == ()


def test_the_same_event_twice_in_one_group_is_appended_once() -> None:
    """Two retries that meet in one commit do not become two entries."""
    made = fresh(submission(event(1), event(1)), submission(event(1)))
    assert places(made.outcomes[0]) == [(0, 1, False), (0, 1, True)]
    assert places(made.outcomes[1]) == [(0, 1, True)]
    assert len(made.entries) == 1


def test_an_id_of_another_tenant_is_another_event() -> None:
    """I8: ids are the tenant's own."""
    made = fresh(submission(event(1)), submission(event(1, tenant="other", data=b"{}")))
    assert places(made.outcomes[1]) == [(1, 1, False)]


def test_a_conflict_appends_nothing_and_leaves_no_gap() -> None:
    """Other content under a known id refuses its whole request, and no neighbour notices."""
    made = fresh(
        submission(event(1)),
        submission(event(2), event(1, data=b'{"other":1}'), event(3)),
        submission(event(4)),
    )
    assert reason(made.outcomes[1]) == "EVENT_CONFLICT"
    assert places(made.outcomes[2]) == [(1, 2, False)]
    assert [entry.event.id for entry in made.entries] == ["event-1", "event-4"]


def test_a_lower_token_is_fenced_off() -> None:
    """I4: whoever lost a run to a later holder cannot write into it any more, not even a duplicate."""
    made = fresh(
        submission(event(1), fencing_token=2),
        submission(event(2), fencing_token=1),
        submission(event(1), fencing_token=1),
        submission(event(3), fencing_token=2),
        submission(event(4)),
    )
    assert [reason(made.outcomes[1]), reason(made.outcomes[2])] == ["FENCED", "FENCED"]
    assert places(made.outcomes[3]) == [(1, 2, False)]
    assert places(made.outcomes[4]) == [(2, 3, False)]
    assert made.fences == {("acme", "run-1"): 2}


def test_a_token_is_seen_even_with_a_duplicate() -> None:
    """A new holder that begins by repeating its predecessor's last event fences it off all the same."""
    leaf = encode(event(1), "policy-sidecar", 1)
    known = {("acme", "event-1"): Recorded(0, 1, leaf)}
    runs = {("acme", "run-1"): RunState(1, 3)}
    made = plan(
        [submission(event(1), fencing_token=4), submission(event(2), fencing_token=3)],
        size=1,
        known=known,
        runs=runs,
        sealer=Sealer(),
    )
    assert made.fences == {("acme", "run-1"): 4}
    assert reason(made.outcomes[1]) == "FENCED"


def test_a_refused_request_raises_no_fence() -> None:
    """A request that appends nothing changes nothing."""
    made = fresh(
        submission(event(1), fencing_token=1),
        submission(event(1, data=b'{"other":1}'), fencing_token=9),
        submission(event(2), fencing_token=2),
    )
    assert reason(made.outcomes[1]) == "EVENT_CONFLICT"
    assert places(made.outcomes[2]) == [(1, 2, False)]


EVENTS = st.builds(
    event,
    st.integers(0, 12),
    tenant=st.sampled_from(["acme", "other"]),
    run_id=st.sampled_from(["", "run-1", "run-2"]),
    data=st.sampled_from([b"{}", b'{"a":1}']),
)
GROUPS = st.lists(
    st.builds(
        lambda events, token: submission(*events, fencing_token=token),
        st.lists(EVENTS, min_size=1, max_size=4),
        st.integers(0, 3),
    ),
    max_size=12,
)


@given(GROUPS, st.integers(0, 1000))
def test_whatever_comes_the_log_has_no_gap(group: list[Submission], size: int) -> None:
    """I9: indices and run sequences are gap-free, ids are unique, each request is whole or not there."""
    made = plan(group, size=size, known={}, runs={}, sealer=Sealer())
    assert [entry.index for entry in made.entries] == list(range(size, size + len(made.entries)))
    sequences = defaultdict(list)
    for entry in made.entries:
        if entry.event.run_id:
            sequences[entry.event.tenant, entry.event.run_id].append(entry.run_sequence)
    assert all(found == list(range(1, len(found) + 1)) for found in sequences.values())
    keys = [(entry.event.tenant, entry.event.id) for entry in made.entries]
    assert len(keys) == len(set(keys))
    written = {entry.index for entry in made.entries}
    answered = {place.index for outcome in made.outcomes if not isinstance(outcome, AmasError) for place in outcome}
    assert answered == written
