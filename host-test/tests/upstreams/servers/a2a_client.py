"""Uses an A2A agent through the official client: a2a_client.py URL TOKEN BINDING VERSION. Prints what its user sees, a JSON array a
call."""

import asyncio
import json
import sys

import httpx
from a2a.client import ClientConfig, ClientFactory
from a2a.types import a2a_pb2

url, token, binding, version = sys.argv[1:]


def message(text, push=None):
    configuration = a2a_pb2.SendMessageConfiguration()
    if push:
        configuration.task_push_notification_config.url = push
    parts = [a2a_pb2.Part(text=text)]
    return a2a_pb2.SendMessageRequest(
        message=a2a_pb2.Message(message_id="m", role=a2a_pb2.ROLE_USER, parts=parts), configuration=configuration
    )


async def main():
    headers = {"authorization": f"Bearer {token}", "x-test-upstream": "a2a", "x-test-request": f"{binding} {version}"}
    http = httpx.AsyncClient(headers=headers, timeout=60)
    at = f"{url}/rpc" if binding == "JSONRPC" else url
    card = a2a_pb2.AgentCard(
        capabilities=a2a_pb2.AgentCapabilities(streaming=True, push_notifications=True, extended_agent_card=True),
        supported_interfaces=[a2a_pb2.AgentInterface(url=at, protocol_binding=binding, protocol_version=version)],
    )

    def client(streaming):
        config = ClientConfig(httpx_client=http, supported_protocol_bindings=[binding], streaming=streaming)
        return ClientFactory(config).create(card)

    once, stream = client(False), client(True)
    task = ""

    async def send(client, text, push=None):
        nonlocal task
        answers = [answer async for answer in client.send_message(message(text, push))]
        for answer in answers:
            task = answer.task.id or task
        return answers

    async def subscribe():
        # The stream stays open.
        answers = stream.subscribe(a2a_pb2.SubscribeToTaskRequest(id=task))
        first = await anext(answers)
        await answers.aclose()
        return first

    async def public_card():
        answer = await http.get(f"{url}/.well-known/agent-card.json", headers={"authorization": ""})
        answer.raise_for_status()
        return answer.json()

    push = lambda: a2a_pb2.TaskPushNotificationConfig(task_id=task, id="c", url="https://hook.example/")
    for what, call in [
        ("card", public_card),
        ("send", lambda: send(once, "hello")),
        ("stream", lambda: send(stream, "hello")),
        ("send task", lambda: send(once, "task")),
        ("send push", lambda: send(once, "hello", "https://evil.example/")),
        ("get", lambda: once.get_task(a2a_pb2.GetTaskRequest(id=task))),
        ("get other", lambda: once.get_task(a2a_pb2.GetTaskRequest(id="other", history_length=3))),
        ("list", lambda: once.list_tasks(a2a_pb2.ListTasksRequest())),
        ("push", lambda: once.create_task_push_notification_config(push())),
        ("subscribe", subscribe),
        ("extended card", lambda: once.get_extended_agent_card(a2a_pb2.GetExtendedAgentCardRequest())),
        ("cancel", lambda: once.cancel_task(a2a_pb2.CancelTaskRequest(id=task))),
        ("after", lambda: send(once, "hello")),
    ]:
        try:
            result = await call()
            print(json.dumps([what, "done", str(result)[:200]]))
        except Exception as error:
            print(json.dumps([what, "denied", f"{type(error).__name__}: {error}"]))


asyncio.run(main())
