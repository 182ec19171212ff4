"""Resources of the tests: small roles and graphs, one for each thing that a graph can do."""

from __future__ import annotations

from amas_governance.bundle import Bundle, PolicySet
from amas_governance.loader import SourceFile, load

SHARED = """
apiVersion: amas.dev/v1alpha1
kind: ModelProvider
metadata: {name: scripted}
spec:
  api: openai
  baseUrl: http://127.0.0.1:1/v1
  models: {scripted: {}}
---
apiVersion: amas.dev/v1alpha1
kind: ModelRoute
metadata: {name: default}
spec: {targets: [{provider: scripted, model: scripted}]}
---
apiVersion: amas.dev/v1alpha1
kind: ToolServer
metadata: {name: notes}
spec:
  transport: {stdio: {command: [notes]}}
  tools:
    read: {effect: read, idempotent: true}
    write: {effect: write, idempotent: false}
"""

ROLE = """
apiVersion: amas.dev/v1alpha1
kind: AgentRole
metadata: {name: %(name)s}
spec:
  version: 1.0.0
  purpose: Does the work of %(name)s.
  model: {route: default}
  instructions: Do it.
  input: {schema: {type: object}}
  output: {schema: {type: object, required: [text], properties: {text: {type: string}, next: {}}}}
  tools:
    - {name: notes/read}
    - name: notes/write
      untrusted: allow
      approval: {from: [release-managers], quorum: 1, fourEyes: true, expiresIn: %(expires)s}
  bounds: %(bounds)s
  onBound: %(on_bound)s
  delegates: [%(delegates)s]
"""


def role(name: str, *, bounds: str = "{}", on_bound: str = "fail", delegates: str = "", expires: str = "30m") -> str:
    """A role that may read and, with approval, write."""
    values = {"name": name, "bounds": bounds, "on_bound": on_bound, "delegates": delegates, "expires": expires}
    return ROLE % values


def orchestration(name: str, steps: str, output: str) -> str:
    """An orchestration with one input field, `topic`."""
    return f"""
apiVersion: amas.dev/v1alpha1
kind: Orchestration
metadata: {{name: {name}}}
spec:
  version: 1.0.0
  input: {{schema: {{type: object, required: [topic], properties: {{topic: {{type: string}}, list: {{type: array}}}}}}}}
  steps:
{steps}
  output: {output}
"""


SEQUENCE = orchestration(
    "sequence",
    """
    - {name: first, role: worker, with: {topic: "${input.topic}"}}
    - {name: second, role: worker, with: {topic: "${steps.first.output.text}"}}
    - {name: third, role: worker, with: {topic: "${steps.second.output.text}"}}
""",
    '"${steps.third.output.text}"',
)
SINGLE = orchestration(
    "single",
    '    - {name: only, role: worker, with: {topic: "${input.topic}"}, onRejected: end}',
    '"${steps.only.output}"',
)
DIAMOND = orchestration(
    "diamond",
    """
    - {name: top, role: worker, with: {topic: "${input.topic}"}}
    - {name: left, role: worker, with: {topic: "${steps.top.output.text}"}}
    - {name: right, role: worker, with: {topic: "${steps.top.output.text}"}}
    - {name: bottom, role: worker, with: {topic: "${steps.left.output.text}+${steps.right.output.text}"}}
""",
    '"${steps.bottom.output.text}"',
)
MAP = orchestration(
    "map",
    """
    - name: each
      role: worker
      forEach: "${input.list}"
      maxParallel: 2
      with: {topic: "${string(item)}"}
""",
    '"${steps.each.output}"',
)
BRANCH = orchestration(
    "branch",
    """
    - {name: look, role: worker, with: {topic: "${input.topic}"}}
    - {name: act, role: worker, with: {topic: "${steps.look.output.text}"}, when: "${input.topic == 'go'}"}
    - {name: after, role: worker, with: {topic: "${steps.act.output.text}"}}
""",
    '"${steps.look.output.text}"',
)

ALL = "---".join([SHARED, role("worker"), SEQUENCE, SINGLE, DIAMOND, MAP, BRANCH])


def bundle_of(*texts: str) -> Bundle:
    """A bundle of YAML texts; fails the test if they do not load."""
    loaded = load([SourceFile("test.yaml", "---".join(texts))])
    assert not loaded.problems, loaded.problems
    return Bundle.build(loaded.resources, PolicySet({"p.rego": "package p"}, b"wasm"))
