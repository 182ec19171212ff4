"""What `amas up` tells the supervisor. It goes over its standard input, since a model's key may be in it."""

import json
from dataclasses import asdict, dataclass, field

from .ports import DEFAULT_PORT_BASE

MODEL_VARIABLES = (
    "AMAS_MODEL_BASE_URL",
    "AMAS_MODEL",
    "AMAS_MODEL_API_KEY",
    "AMAS_MODEL_INPUT_PRICE",
    "AMAS_MODEL_CACHED_INPUT_PRICE",
    "AMAS_MODEL_OUTPUT_PRICE",
)


@dataclass(frozen=True)
class UpOptions:
    """Options of one start."""

    port_base: int = DEFAULT_PORT_BASE
    workspace: str = ""
    """Folder in which tool servers work; empty: the one in the state folder."""
    model_environment: dict[str, str] = field(default_factory=dict, repr=False)
    """Those of MODEL_VARIABLES that the user has set."""

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "UpOptions":
        return cls(**json.loads(text))
