"""Clients that send at a given pace, in a separate process: `python -m benchmarks.client` reads the plan.

Standard input is JSON: `port`, `requests` (the text of one per connection), `period` (seconds between a connection's
requests; 0: send as soon as the response is there) and `count` (requests per connection). Standard output is JSON too:
for each request the milliseconds until its response, or null if that was not a success.
"""

import asyncio
import json
import sys
from typing import Any

ANSWER_SECONDS = 30


async def send_all(port: int, requests: list[str], period: float, count: int) -> list[float | None]:
    """Open all connections, then begin; their first requests are spread over one period."""
    connections = await asyncio.gather(*(asyncio.open_connection("127.0.0.1", port) for _ in requests))
    begin = asyncio.get_running_loop().time()
    each = await asyncio.gather(
        *(
            _send(*connection, request.encode(), begin + period * number / len(requests), period, count)
            for number, (connection, request) in enumerate(zip(connections, requests, strict=True))
        )
    )
    return [answer for answers in each for answer in answers]


async def _send(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes, due: float, period: float, count: int
) -> list[float | None]:
    answers: list[float | None] = []
    clock = asyncio.get_running_loop().time
    try:
        for _ in range(count):
            # A request delayed by the response before counts from when it was due.
            is_late = bool(period and answers and clock() > due)
            await asyncio.sleep(due - clock())
            started = due if is_late else clock()
            writer.write(request)
            is_success = await asyncio.wait_for(_read_answer(reader), ANSWER_SECONDS)
            answers.append((clock() - started) * 1000 if is_success else None)
            due += period
    except (OSError, EOFError, TimeoutError):
        answers += [None] * (count - len(answers))
    finally:
        writer.close()
    return answers


async def _read_answer(reader: asyncio.StreamReader) -> bool:
    """Read one response to its end, and return whether it is a success."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
    await reader.readexactly(int(length))
    return head.split(maxsplit=2)[1].startswith(b"2")


def main() -> None:
    plan: dict[str, Any] = json.load(sys.stdin)
    json.dump(asyncio.run(send_all(**plan)), sys.stdout)


if __name__ == "__main__":
    main()
