"""Runs in the environment of Microsoft's agent-governance-toolkit: its policy evaluator in this process.

`python toolkit_peer.py ROUNDS CALLS < context`: a document with as many rules as our contract has tools; prints CPU
milliseconds a decision, one number a round.
"""

import json
import sys
import time

from agent_os.policies import PolicyAction, PolicyCondition, PolicyDocument, PolicyEvaluator, PolicyOperator, PolicyRule

RULES = 12


def main() -> None:
    """The last rule matches, as the grant of a role with many tools would."""
    rounds, calls = int(sys.argv[1]), int(sys.argv[2])
    context = json.load(sys.stdin)
    rules = [
        PolicyRule(
            name=f"tool-{number}",
            condition=PolicyCondition(
                field="tool_name",
                operator=PolicyOperator.EQ,
                value=context["tool_name"] if number == RULES - 1 else f"tool-{number}",
            ),
            action=PolicyAction.ALLOW,
            priority=RULES - number,
        )
        for number in range(RULES)
    ]
    evaluator = PolicyEvaluator([PolicyDocument(name="bench", rules=rules)])
    if not evaluator.evaluate(context).allowed:
        raise SystemExit("the toolkit does not allow what it should")
    figures = []
    for _ in range(rounds):
        begun = time.process_time()
        for _ in range(calls):
            evaluator.evaluate(context)
        figures.append(1000 * (time.process_time() - begun) / calls)
    json.dump(figures, sys.stdout)


main()
