"""The Python SDK the way Google ADK 2 uses it, driven by JSON lines.

    driver.py http http://127.0.0.1:3000/mcp '{"Authorization": "Bearer demo-ada"}'
    driver.py sse http://127.0.0.1:3000/mcp/sse '{}'

In:  {"id": 1, "op": "call_tool", "args": ["get_client", {"email": "ada@example.com"}]}
     {"cancel": 1}
Out: {"id": 1, "progress": [1, 3]}
     {"id": 1, "result": ...}  or  {"id": 1, "error": "..."}

From ADK: one session for all calls in a task of its own, 5 s for opening it and for each list, 300 s for a call,
a new session when the old one is disconnected, one retry.
"""

import asyncio
import json
import sys
from datetime import timedelta

import mcp.types as types
from mcp import ClientSession
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamablehttp_client
from pydantic import AnyUrl

TIMEOUT_S = 5.0
CALL_TIMEOUT_S = 300.0


async def answer_elicitation(_context, params):
    for refusal in ("decline", "cancel"):
        if refusal in params.message:
            return types.ElicitResult(action=refusal)
    if params.mode == "url":
        return types.ElicitResult(action="accept")
    if "for good?" in params.message:
        return types.ElicitResult(action="accept", content={"confirm": True})
    return types.ElicitResult(action="accept", content={"name": "Ada", "people": 3})


async def answer_sampling(_context, _params):
    text = types.TextContent(type="text", text="five, seven, five")
    return types.CreateMessageResult(role="assistant", content=text, model="test", stopReason="endTurn")


async def answer_roots(_context):
    return types.ListRootsResult(roots=[types.Root(uri="file:///work", name="work")])


class Connection:
    """A session in a task of its own, since what its SDK opens must be closed by the task that opened it."""

    def __init__(self, kind, url, headers):
        self.kind, self.url, self.headers = kind, url, headers
        self.session = None
        self.session_id = lambda: None
        self.ready = asyncio.get_running_loop().create_future()
        self.closing = asyncio.Event()
        self.task = asyncio.create_task(self.run())

    def transport(self):
        if self.kind == "sse":
            return sse_client(self.url, self.headers, TIMEOUT_S, CALL_TIMEOUT_S, on_session_created=self.remember)
        return streamablehttp_client(self.url, self.headers, timedelta(seconds=TIMEOUT_S), timedelta(seconds=CALL_TIMEOUT_S))

    def remember(self, session_id):
        self.session_id = lambda: session_id

    async def run(self):
        try:
            async with self.transport() as streams:
                self.streams = streams[:2]
                if len(streams) > 2:
                    self.session_id = streams[2]
                async with ClientSession(
                    *self.streams,
                    read_timeout_seconds=timedelta(seconds=CALL_TIMEOUT_S),
                    sampling_callback=answer_sampling,
                    elicitation_callback=answer_elicitation,
                    list_roots_callback=answer_roots,
                ) as session:
                    await session.initialize()
                    self.session = session
                    self.ready.set_result(None)
                    await self.closing.wait()
        except BaseException as error:
            if not self.ready.done():
                self.ready.set_exception(ConnectionError(repr(error)))
            else:
                print(f"session ended: {error!r}", file=sys.stderr)

    def disconnected(self):
        return self.task.done() or any(stream._closed for stream in self.streams)

    async def close(self):
        self.closing.set()
        await asyncio.wait([self.task], timeout=TIMEOUT_S)


class Driver:
    def __init__(self, kind, url, headers):
        self.parameters = (kind, url, headers)
        self.connection = None
        self.lock = asyncio.Lock()
        self.calls = {}

    async def session(self):
        async with self.lock:
            if self.connection is not None and self.connection.disconnected():
                await self.connection.close()
                self.connection = None
            if self.connection is None:
                connection = Connection(*self.parameters)
                await asyncio.wait_for(asyncio.shield(connection.ready), TIMEOUT_S)
                self.connection = connection
        return self.connection.session

    async def serve(self, message):
        number, op, args = message["id"], message["op"], message.get("args", [])
        try:
            write({"id": number, "result": await self.attempt(number, op, args)})
        except asyncio.CancelledError:
            write({"id": number, "error": "cancelled"})
        except BaseException as error:
            write({"id": number, "error": repr(error)})

    async def attempt(self, number, op, args):
        try:
            return await getattr(self, op)(number, *args)
        except Exception as error:
            if not (self.connection is None or self.connection.disconnected()):
                raise
            print(f"{op} again after {error!r}", file=sys.stderr)
            return await getattr(self, op)(number, *args)

    async def connect(self, _number):
        await self.session()
        return self.connection.session_id()

    async def close(self, _number):
        if self.connection is not None:
            await self.connection.close()

    async def list_tools(self, _number):
        session = await self.session()
        return dump(await asyncio.wait_for(session.list_tools(), TIMEOUT_S))

    async def list_resources(self, _number):
        session = await self.session()
        return dump(await asyncio.wait_for(session.list_resources(), TIMEOUT_S))

    async def list_resource_templates(self, _number):
        session = await self.session()
        return dump(await asyncio.wait_for(session.list_resource_templates(), TIMEOUT_S))

    async def list_prompts(self, _number):
        session = await self.session()
        return dump(await asyncio.wait_for(session.list_prompts(), TIMEOUT_S))

    async def read_resource(self, _number, uri):
        session = await self.session()
        return dump(await asyncio.wait_for(session.read_resource(AnyUrl(uri)), TIMEOUT_S))

    async def get_prompt(self, _number, name, arguments):
        session = await self.session()
        return dump(await session.get_prompt(name, arguments))

    async def call_tool(self, number, name, arguments):
        session = await self.session()

        async def progress(value, total, _message):
            write({"id": number, "progress": [value, total]})

        self.calls[number] = (session, session._request_id, asyncio.current_task())
        return dump(await session.call_tool(name, arguments, progress_callback=progress))

    async def cancel(self, number):
        """What a program does that cancels: this SDK sends nothing when its task is cancelled."""
        session, request_id, task = self.calls[number]
        params = types.CancelledNotificationParams(requestId=request_id)
        await session.send_notification(types.ClientNotification(types.CancelledNotification(params=params)))
        task.cancel()


def dump(model):
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


def write(message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


async def main():
    driver = Driver(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    tasks = set()
    while line := await reader.readline():
        message = json.loads(line)
        work = driver.cancel(message["cancel"]) if "cancel" in message else driver.serve(message)
        task = asyncio.create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await driver.close(0)


asyncio.run(main())
