"""The resources that users write: one frozen model a kind, and the way from a manifest to them and back."""

from .agent_role import (
    AgentRole,
    AgentRoleSpec,
    ApprovalRequirement,
    Bounds,
    DataAccess,
    ModelUse,
    ToolGrant,
    ToolLimits,
)
from .budget import Budget, BudgetSpec, BudgetSubject
from .manifest_fields import API_VERSION, Manifest, Metadata, Money
from .manifests import KINDS, ManifestError, Resource, parse_manifest
from .model_provider import ModelProvider, ModelProviderSpec, Price, ProviderModel
from .model_route import ModelRoute, ModelRouteSpec, RouteClearance, Target, TargetTimeout
from .orchestration import Orchestration, OrchestrationSpec, Step
from .tool_server import (
    Credential,
    ResultLabel,
    ServerLimits,
    ToolPolicy,
    ToolServer,
    ToolServerSpec,
    Transport,
)

__all__ = [
    "API_VERSION",
    "KINDS",
    "AgentRole",
    "AgentRoleSpec",
    "ApprovalRequirement",
    "Bounds",
    "Budget",
    "BudgetSpec",
    "BudgetSubject",
    "Credential",
    "DataAccess",
    "Manifest",
    "ManifestError",
    "Metadata",
    "ModelProvider",
    "ModelProviderSpec",
    "ModelRoute",
    "ModelRouteSpec",
    "ModelUse",
    "Money",
    "Orchestration",
    "OrchestrationSpec",
    "Price",
    "ProviderModel",
    "Resource",
    "ResultLabel",
    "RouteClearance",
    "ServerLimits",
    "Step",
    "Target",
    "TargetTimeout",
    "ToolGrant",
    "ToolLimits",
    "ToolPolicy",
    "ToolServer",
    "ToolServerSpec",
    "Transport",
    "parse_manifest",
]
