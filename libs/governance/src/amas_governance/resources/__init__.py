"""The resources that users write: one frozen model a kind, and the way from a manifest to them and back."""

from .agent_role import (
    AgentRole,
    AgentRoleSpec,
    ApprovalRequirement,
    Bounds,
    DataAccess,
    Deprecation,
    EscalationRule,
    ModelUse,
    ToolGrant,
    ToolLimits,
    UntrustedStance,
)
from .amounts import AmountBound
from .autonomy import Autonomy
from .budget import Budget, BudgetSpec, BudgetSubject
from .dlp_rules import DlpRules
from .manifest_fields import API_VERSION, Manifest, Metadata, Money
from .manifests import KINDS, ManifestError, Resource, parse_manifest
from .model_provider import ModelProvider, ModelProviderSpec, Price, ProviderModel
from .model_route import (
    Breaker,
    Hedge,
    MemoCache,
    ModelRoute,
    ModelRouteSpec,
    ResponseRules,
    Retry,
    RouteClearance,
    SemanticCache,
    Target,
    TargetTimeout,
)
from .orchestration import Declassification, Orchestration, OrchestrationSpec, Step
from .quota import Quota, QuotaSpec, QuotaSubject
from .sandbox import Sandbox
from .tool_server import (
    Credential,
    HttpTransport,
    ResultLabel,
    ServerLimits,
    StdioTransport,
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
    "AmountBound",
    "ApprovalRequirement",
    "Autonomy",
    "Bounds",
    "Breaker",
    "Budget",
    "BudgetSpec",
    "BudgetSubject",
    "Credential",
    "DataAccess",
    "Declassification",
    "Deprecation",
    "DlpRules",
    "EscalationRule",
    "Hedge",
    "HttpTransport",
    "Manifest",
    "ManifestError",
    "MemoCache",
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
    "Quota",
    "QuotaSpec",
    "QuotaSubject",
    "Resource",
    "ResponseRules",
    "ResultLabel",
    "Retry",
    "RouteClearance",
    "Sandbox",
    "SemanticCache",
    "ServerLimits",
    "StdioTransport",
    "Step",
    "Target",
    "TargetTimeout",
    "ToolGrant",
    "ToolLimits",
    "ToolPolicy",
    "ToolServer",
    "ToolServerSpec",
    "Transport",
    "UntrustedStance",
    "parse_manifest",
]
