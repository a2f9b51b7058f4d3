#!/usr/bin/env python3
"""An LwM2M device made with aiocoap, a CoAP stack that the gateway's authors did not write.

It registers (LwM2M Core 6.2.1), serves an observable /19/0/0 whose first answer is empty, takes PUTs on /19/1/0, and does
what it is told on standard input, one line each:

    notify HEX      send HEX as a confirmable notification of /19/0/0
    non HEX         the same, non-confirmable
    update          POST to the location of the registration
    deregister      DELETE it
    end             deregister if still registered, and stop; so does the end of the input

What happens is printed as one JSON object per line: {"event": "registered", "location": [..]}, "refused", "observed",
"notified", "put", "updated", "deregistered", "failed".

Alone, with payloads and a template for the answer to a PUT (mid = bytes 2 and 3 of what was put):

    device.py coap://127.0.0.1:5683 --ep meter-1 --notify 0A17 --respond-hex 'A501{mid:04x}00' --for 10

Needs: pip install aiocoap==0.4.17
"""

import argparse
import asyncio
import json
import sys

import aiocoap
from aiocoap import resource
from aiocoap.numbers.codes import Code
from aiocoap.numbers.contentformat import ContentFormat

OCTET_STREAM = ContentFormat.OCTETSTREAM
OBJECTS = b'</>;rt="oma.lwm2m",</1/0>,</3/0>,</19/0>,</19/1>'


def tell(event, **more):
    print(json.dumps({"event": event, **more}), flush=True)


class Uplink(resource.ObservableResource):
    """/19/0/0: the resource that the gateway observes (REFERENCE C.1)."""

    def __init__(self):
        super().__init__()
        self.observed = asyncio.Event()
        self.count = 0

    async def render_get(self, request):
        # LiteOS answers the Observe with an empty 2.05; it must not become an uplink.
        return aiocoap.Message(code=Code.CONTENT, payload=b"", content_format=OCTET_STREAM)

    def update_observation_count(self, newcount):
        if newcount:
            self.observed.set()
            tell("observed", observers=newcount)
        else:
            self.observed.clear()
            tell("unobserved")

    async def notify(self, payload, confirmable=True):
        await asyncio.wait_for(self.observed.wait(), 30)
        mtype = aiocoap.CON if confirmable else aiocoap.NON
        self.updated_state(aiocoap.Message(_mtype=mtype, code=Code.CONTENT, payload=payload, content_format=OCTET_STREAM))
        self.count += 1
        # aiocoap keeps only the newest notification that it has not yet handed to its message layer.
        await asyncio.sleep(0.05)
        tell("notified", n=self.count, hex=payload.hex())


class Downlink(resource.Resource):
    """/19/1/0: where the gateway puts commands."""

    def __init__(self, uplink, template):
        super().__init__()
        self.uplink = uplink
        self.template = template
        self.tasks = set()

    async def render_put(self, request):
        tell("put", hex=request.payload.hex(), content_format=int(request.opt.content_format or 0))
        if self.template:
            mid = int.from_bytes(request.payload[2:4], "big")
            answer = bytes.fromhex(self.template.format(mid=mid))
            task = asyncio.get_running_loop().create_task(self.uplink.notify(answer))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        return aiocoap.Message(code=Code.CHANGED)


class Device:
    def __init__(self, args):
        self.args = args
        self.location = None
        self.uplink = Uplink()

    async def start(self):
        site = resource.Site()
        site.add_resource(["19", "0", "0"], self.uplink)
        site.add_resource(["19", "1", "0"], Downlink(self.uplink, self.args.respond_hex))
        # One socket for both roles: the gateway sends its requests to where the Register came from.
        self.context = await aiocoap.Context.create_server_context(site, bind=(self.args.bind, self.args.port))

    async def ask(self, code, path, queries=(), payload=b"", content_format=None):
        request = aiocoap.Message(code=code, uri=self.args.server, payload=payload)
        request.opt.uri_path = path
        request.opt.uri_query = queries
        if content_format is not None:
            request.opt.content_format = content_format
        return await asyncio.wait_for(self.context.request(request).response, self.args.patience)

    async def register(self):
        a = self.args
        queries = [f"ep={a.ep}", f"lt={a.lt}", f"lwm2m={a.lwm2m}", f"b={a.b}"]
        answer = await self.ask(Code.POST, ["rd"], queries, OBJECTS, ContentFormat.LINKFORMAT)
        if answer.code != Code.CREATED:
            tell("refused", code=answer.code.dotted, payload=answer.payload.decode("utf8", "replace"))
            return False
        self.location = list(answer.opt.location_path)
        tell("registered", location=self.location)
        return True

    async def update(self):
        answer = await self.ask(Code.POST, self.location, [f"lt={self.args.lt}"])
        tell("updated", code=answer.code.dotted)

    async def deregister(self):
        answer = await self.ask(Code.DELETE, self.location)
        self.location = None
        tell("deregistered", code=answer.code.dotted)

    async def obey(self, line):
        word, _, rest = line.strip().partition(" ")
        if word == "notify":
            await self.uplink.notify(bytes.fromhex(rest))
        elif word == "non":
            await self.uplink.notify(bytes.fromhex(rest), confirmable=False)
        elif word == "update":
            await self.update()
        elif word == "deregister":
            await self.deregister()
        elif word == "end":
            return False
        elif word:
            tell("failed", what=f"no such command: {word}")
        return True

    async def run(self):
        await self.start()
        try:
            if not await self.register():
                return 1
            for payload in self.args.notify:
                await self.uplink.notify(bytes.fromhex(payload))
            if self.args.span is not None:
                await asyncio.sleep(self.args.span)
            else:
                lines = asyncio.StreamReader()
                reading = lambda: asyncio.StreamReaderProtocol(lines)
                await asyncio.get_running_loop().connect_read_pipe(reading, sys.stdin)
                while line := await lines.readline():
                    if not await self.obey(line.decode()):
                        break
            if self.location:
                await self.deregister()
            return 0
        finally:
            await self.context.shutdown()


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server", help="coap://HOST:PORT")
    parser.add_argument("--ep", required=True, help="endpoint client name")
    parser.add_argument("--lt", type=int, default=86400, help="lifetime, seconds")
    parser.add_argument("--lwm2m", default="1.0")
    parser.add_argument("--b", default="U", help="binding mode")
    parser.add_argument("--bind", default="127.0.0.1", help="own address")
    parser.add_argument("--port", type=int, default=0, help="own port, 0 = any free one")
    parser.add_argument("--notify", metavar="HEX", action="append", default=[], help="send this once observed; repeatable")
    parser.add_argument("--respond-hex", metavar="TEMPLATE", help="notify this after a PUT; {mid:04x} is the command's mid")
    parser.add_argument("--for", dest="span", type=float, metavar="SECONDS", help="live so long instead of reading commands")
    parser.add_argument("--patience", type=float, default=60, help="seconds to wait for an answer")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(Device(arguments()).run()))
    except Exception as error:  # the driver reads the reason from our output
        tell("failed", what=f"{type(error).__name__}: {error}")
        sys.exit(1)
