from pathlib import Path

import pytest
from amas_cli.policy.cases import Case, read_cases
from amas_cli.policy.explaining import explain
from amas_cli.policy.sources import Sources

from .records import SHIPPED, base_input, candidate

pytestmark = pytest.mark.integration
# One case of each combination of codes: the rules of these are all rules.
CASES = {(case.effect, *case.codes): case for case in read_cases(SHIPPED)}.values()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_each_reason_of_each_case_leads_to_the_rule_that_spells_it_out(case: Case):
    """The line that is named, or one of its rule, has the code of the reason."""
    explained = explain(Sources.of(SHIPPED), case.document)
    assert sorted(reason["code"] for reason, _ in explained.origins) == case.codes
    for reason, origins in explained.origins:
        assert origins
        for origin in origins:
            rows = Path(origin.file).read_text().splitlines()[origin.row - 1 : origin.row + 2]
            assert any(reason["code"] in row for row in rows), (reason, origin)


def test_what_the_rule_read_is_shown_also_where_it_is_missing():
    """By the rules of its file that it stands on as well; an absent field is told from one that is null."""
    document = base_input(grant=None)
    del document["action"]["effect"]
    explained = explain(Sources.of(SHIPPED), document)
    read = {
        (reason["code"], ".".join(path)): (has, value)
        for reason, origins in explained.origins
        for origin in origins
        for path, has, value in origin.read
    }
    assert read["EFFECT_UNKNOWN", "action.effect"] == (False, None)
    assert read["EFFECT_UNKNOWN", "action.kind"] == (True, "tool")


def test_two_rules_that_give_the_same_reason_are_both_named(tmp_path: Path):
    """Which of them was needed is for people to say."""
    rule = 'deny contains {"code": "SAME", "message": "m"} if input.action.kind == "tool"\n'
    folder = candidate(tmp_path / "p")
    with (folder / "tools" / "access" / "policy.rego").open("a") as access:
        access.write(f"\n{rule}\n{rule.replace('kind', 'server').replace('tool', 'git')}")
    explained = explain(Sources.of(folder), base_input())
    ((_, origins),) = explained.origins
    assert len({origin.row for origin in origins}) == 2
    assert [path for origin in origins for path, _, _ in origin.read] == [("action", "kind"), ("action", "server")]
