"""All verbs of the gateway, as the entry points get them from bootstrap."""

from __future__ import annotations

from dataclasses import dataclass

from .admit_request import AdmitRequest
from .apply_resources import ApplyResources
from .authenticate import Authenticate
from .cancel_run import CancelRun
from .complete_chat import CompleteChat
from .decide_approval import DecideApproval
from .describe_tool_server import DescribeToolServer
from .embed_text import EmbedText
from .erase_contents import EraseContents
from .find_subject import FindSubject
from .get_approval import GetApproval
from .get_run import GetRun
from .hold_stream import HoldStream
from .list_approvals import ListApprovals
from .list_budgets import ListBudgets
from .list_models import ListModels
from .list_resources import ListResources
from .list_revocations import ListRevocations
from .list_runs import ListRuns
from .preview_edit import PreviewEdit
from .query_usage import QueryUsage
from .read_audit import ReadAudit
from .restore import Restore
from .revoke import Revoke
from .start_run import StartRun
from .stream_chat import StreamChat
from .watch_run import WatchRun


@dataclass(frozen=True, slots=True)
class Catalogue:
    authenticate: Authenticate
    admit: AdmitRequest
    start_run: StartRun
    get_run: GetRun
    list_runs: ListRuns
    cancel_run: CancelRun
    watch_run: WatchRun
    hold_stream: HoldStream
    get_approval: GetApproval
    list_approvals: ListApprovals
    decide_approval: DecideApproval
    preview_edit: PreviewEdit
    apply_resources: ApplyResources
    list_resources: ListResources
    describe_tool_server: DescribeToolServer
    complete_chat: CompleteChat
    stream_chat: StreamChat
    embed_text: EmbedText
    list_models: ListModels
    query_usage: QueryUsage
    list_budgets: ListBudgets
    read_audit: ReadAudit
    find_subject: FindSubject
    erase_contents: EraseContents
    revoke: Revoke
    restore: Restore
    list_revocations: ListRevocations
