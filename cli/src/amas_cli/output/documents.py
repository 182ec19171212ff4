"""`--output json|yaml`: the answer as it is, for programs."""

import json
import sys
from enum import StrEnum
from typing import Any


class Output(StrEnum):
    """How a command prints its result."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


def document(value: Any, output: Output) -> None:
    """Print a value as JSON or YAML. JSON escapes what is not ASCII, so it is safe for a terminal too."""
    if output is Output.YAML:
        sys.stdout.write(yaml_text(value))
    else:
        print(json.dumps(value, indent=2))


def yaml_text(value: Any) -> str:
    """YAML 1.2 in block style; texts of several lines as literal blocks."""
    from io import StringIO

    from ruamel.yaml import YAML
    from ruamel.yaml.scalarstring import walk_tree

    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = 110
    copy = json.loads(json.dumps(value))
    walk_tree(copy)
    stream = StringIO()
    yaml.dump(copy, stream)
    return stream.getvalue()
