"""The official A2A server, with all its bindings of both versions: REST below /a2a, JSON-RPC at /a2a/rpc, and an agent that answers
every message. A message of the text "task" opens a task and leaves it open."""

from a2a.server.agent_execution import AgentExecutor
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes.agent_card_routes import create_agent_card_routes
from a2a.server.routes.jsonrpc_routes import create_jsonrpc_routes
from a2a.server.routes.rest_routes import create_rest_routes
from a2a.server.tasks import InMemoryPushNotificationConfigStore, InMemoryTaskStore, TaskUpdater
from a2a.types import a2a_pb2
from starlette.applications import Starlette

import record


class Agent(AgentExecutor):
    async def execute(self, context, event_queue):
        headers = context.call_context.state["headers"]
        text = context.get_user_input()
        record.ran(f"send {text}" if text in ("hello", "task") else "send :", headers)
        if text == "task":
            await event_queue.enqueue_event(
                a2a_pb2.Task(
                    id=context.task_id,
                    context_id=context.context_id,
                    status=a2a_pb2.TaskStatus(state=a2a_pb2.TASK_STATE_SUBMITTED),
                )
            )
            updater = TaskUpdater(event_queue, context.task_id, context.context_id)
            await updater.requires_input()
            return
        reply = a2a_pb2.Message(message_id="reply", role=a2a_pb2.ROLE_AGENT, parts=[a2a_pb2.Part(text="done")])
        await event_queue.enqueue_event(reply)

    async def cancel(self, context, event_queue):
        record.ran("cancel", context.call_context.state["headers"])
        await TaskUpdater(event_queue, context.task_id, context.context_id).cancel()


capabilities = a2a_pb2.AgentCapabilities(streaming=True, push_notifications=True)
card = a2a_pb2.AgentCard(name="test", description="test", version="1", capabilities=capabilities)
handler = DefaultRequestHandler(
    agent_executor=Agent(),
    task_store=InMemoryTaskStore(),
    agent_card=card,
    push_config_store=InMemoryPushNotificationConfigStore(),
)
app = Starlette(
    routes=[
        *create_jsonrpc_routes(handler, "/a2a/rpc", enable_v0_3_compat=True),
        *create_agent_card_routes(card, card_url="/a2a/.well-known/agent-card.json"),
        *create_rest_routes(handler, path_prefix="/a2a", enable_v0_3_compat=True),
    ]
)
