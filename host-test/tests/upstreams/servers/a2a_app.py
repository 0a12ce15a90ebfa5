"""The official A2A server, REST binding, with an agent that answers every message."""

from a2a.server.agent_execution import AgentExecutor
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes.rest_routes import create_rest_routes
from a2a.server.tasks import InMemoryTaskStore
from a2a.types import a2a_pb2
from starlette.applications import Starlette

import record


class Agent(AgentExecutor):
    async def execute(self, context, event_queue):
        record.ran("send :", context.call_context.state["headers"])
        reply = a2a_pb2.Message(message_id="reply", role=a2a_pb2.ROLE_AGENT, parts=[a2a_pb2.Part(text="done")])
        await event_queue.enqueue_event(reply)

    async def cancel(self, context, event_queue):
        raise NotImplementedError


card = a2a_pb2.AgentCard(name="test", description="test", version="1", capabilities=a2a_pb2.AgentCapabilities())
handler = DefaultRequestHandler(agent_executor=Agent(), task_store=InMemoryTaskStore(), agent_card=card)
app = Starlette(routes=create_rest_routes(handler, path_prefix="/a2a"))
