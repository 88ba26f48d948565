"""A client of one HTTP service: bounded concurrency and rate, time-outs, retries that obey ``Retry-After``, counts."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import lru_cache
from ipaddress import ip_address
from queue import Empty, SimpleQueue
from threading import Condition, Thread
from time import monotonic, sleep, time
from typing import Any, TypeVar
from urllib.parse import urlsplit
from weakref import finalize

from robustrank.core import usage
from robustrank.core.errors import MissingExtra, PluginError, RobustRankError

Item = TypeVar("Item")
Result = TypeVar("Result")

LARGEST = 16 << 20
"""Bytes of an answer."""

CONNECT, WRITE = 5.0, 30.0
"""Seconds to connect, and to send a request."""

logging.getLogger("stamina").addHandler(logging.NullHandler())  # retries are counted here, not logged


class ServiceError(RobustRankError):
    """A service did not answer a call, or refused it.

    Args:
        reason: What happened, without any key.
        kind: ``"key"`` (not allowed), ``"gone"`` (no such service or model), ``"text"`` (this text is refused),
            ``"rate"`` (too many calls), ``"server"``, ``"network"``, ``"answer"`` (not what the format declares).
        wait: Seconds after which the service wants to be asked again; ``None`` where it does not say.
    """

    def __init__(self, reason: str, kind: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.kind, self.wait = kind, wait

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle with all arguments, so that a worker process can return the error."""
        return ServiceError, (str(self), self.kind, self.wait)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of a client.

    Args:
        in_flight: Requests at one time.
        per_minute: Requests a minute; ``None`` is no limit.
        timeout: Seconds without a byte of the answer.
        deadline: Seconds of a call, with all its retries.
        attempts: Requests of a call at most.
    """

    in_flight: int = 4
    per_minute: int | None = None
    timeout: float = 60.0
    deadline: float = 120.0
    attempts: int = 6


class Client:
    """Posts JSON to one address. Safe to use from many threads.

    Args:
        address: Full URL.
        headers: Of every request, without the key.
        authorization: The header ``Authorization``; it stands in no error and no record.
        limits: Of concurrency, rate and time.
        insecure: Allow plain HTTP to hosts that are not local, where others can read texts and key.

    Raises:
        MissingExtra: httpx2 or stamina is not installed.
        PluginError: The address is no HTTP address, or an insecure one.
    """

    def __init__(
        self, address: str, headers: Mapping[str, str], authorization: str, limits: Limits, *, insecure: bool = False
    ) -> None:
        try:
            import httpx2
            import stamina  # noqa: F401 - used at the first call
        except ImportError as error:
            raise MissingExtra("the http ranker", extra="http", package=error.name or "httpx2") from error
        check_address(address, insecure=insecure)
        self.address, self.limits, self._secret = address, limits, authorization
        self.usage = usage.Usage()
        self._gate = Gate(limits.in_flight, limits.per_minute)
        self._http = httpx2.Client(
            headers={**headers, **({"Authorization": authorization} if authorization else {})},
            timeout=httpx2.Timeout(limits.timeout, connect=CONNECT, write=WRITE, pool=limits.deadline),
            limits=httpx2.Limits(max_connections=limits.in_flight, max_keepalive_connections=limits.in_flight),
            follow_redirects=False,
        )
        finalize(self, self._http.close)

    def post(self, body: Mapping[str, Any]) -> Any:
        """The JSON of the answer.

        Raises:
            ServiceError: The service refused the call, or did not answer within deadline and attempts.
        """
        import stamina

        end, failed_at = monotonic() + self.limits.deadline, 0.0

        def again(error: Exception) -> bool | float:
            nonlocal failed_at
            failed_at = monotonic()
            if not isinstance(error, ServiceError) or error.kind not in ("rate", "server", "network"):
                return False
            if error.wait is None:
                return failed_at < end
            return error.wait if failed_at + error.wait < end else False

        for attempt in stamina.retry_context(
            on=again, attempts=self.limits.attempts, timeout=self.limits.deadline, wait_initial=0.5, wait_max=30.0
        ):
            with attempt:
                if failed_at:
                    self.count(retries=1, waited=monotonic() - failed_at)
                with self._gate:
                    answer = self._within(body, end)
        return answer

    def count(self, **more: float) -> None:
        """Add to the counts of this client, and of the task at work."""
        self.usage.add(**more)
        usage.count(**more)

    def _within(self, body: Mapping[str, Any], end: float) -> Any:
        """One request, waited for until the deadline and no longer: its own time-outs begin anew with every byte."""
        outcomes: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()

        def ask() -> None:
            try:
                outcomes.put((self._once(body, end), None))
            except BaseException as error:
                outcomes.put((None, error))

        Thread(target=copy_context().run, args=(ask,), name="robustrank-http", daemon=True).start()
        try:
            answer, error = outcomes.get(timeout=max(0.0, end - monotonic()))
        except Empty:
            raise self._late() from None
        if error is not None:
            raise error
        return answer

    def _late(self) -> ServiceError:
        return ServiceError(f"the answer was not complete after {self.limits.deadline:g} s", "network")

    def _once(self, body: Mapping[str, Any], end: float) -> Any:
        import httpx2

        self.count(calls=1)
        try:
            with self._http.stream("POST", self.address, json=body) as response:
                content = self._content(response, end)
        except (httpx2.HTTPError, httpx2.StreamError) as error:
            raise ServiceError(f"{type(error).__name__}: {self._clean(str(error)) or 'no answer'}", "network") from None
        if response.status_code != 200:
            self._refuse(response.status_code, response.headers, content)
        try:
            answer = json.loads(content, object_pairs_hook=_once)
        except ServiceError:
            raise
        except (ValueError, RecursionError):
            kind = response.headers.get("content-type", "without a type")
            begins = self._clean(content[:60].decode("utf-8", "replace"))
            raise ServiceError(f"the answer is not JSON ({kind}): {begins!r}", "network") from None
        self._gate.well()
        return answer

    def _content(self, response: Any, end: float) -> bytes:
        """The body, within size and deadline."""
        content = bytearray()
        for chunk in response.iter_bytes():  # decompressed, in pieces of 1 MiB at most
            content += chunk
            if len(content) > LARGEST:
                raise ServiceError(f"an answer of more than {LARGEST >> 20} MB", "answer")
            if monotonic() > end:
                raise self._late()
        return bytes(content)

    def _refuse(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
        """Raise the error of a status."""
        reason = self._clean(_message(content))
        wait = retry_after(headers)
        kind = (
            "key" if status in (401, 403, 498)
            else "rate" if status == 429 or (status == 503 and wait is not None)
            else "text" if status in (413, 422) or (status in (400, 500) and _too_long(reason))
            else "server" if status in (408, 409, 424, 425, 499) or (status >= 500 and status != 501)
            else "gone"
        )  # fmt: skip
        if status in (429, 503):
            self.count(refused=1)
            self._gate.crowded()
        asked = f", to be asked again in {wait:g} s" if wait is not None else ""
        raise ServiceError(f"HTTP {status}{asked}: {reason}", kind, wait)

    def _clean(self, text: str) -> str:
        """A message without the key."""
        for secret in (self._secret, self._secret.rpartition(" ")[2]):
            text = text.replace(secret, "***") if secret else text
        return text


class Gate:
    """Lets a limited number of requests through at one time, and so many a minute.

    The number is halved when the service says that there are too many, and rises by one with every twenty answers.
    """

    def __init__(self, most: int, per_minute: int | None) -> None:
        self._most = self._limit = most
        self._pause = 60.0 / per_minute if per_minute else 0.0
        self._running = self._good = 0
        self._next = 0.0
        self._changed = Condition()

    def __enter__(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._running < self._limit)
            self._running += 1
            start = max(monotonic(), self._next)
            self._next = start + self._pause
        if start > monotonic():
            sleep(start - monotonic())

    def __exit__(self, *error: object) -> None:
        with self._changed:
            self._running -= 1
            self._changed.notify_all()

    def crowded(self) -> None:
        """The service said that there are too many requests."""
        with self._changed:
            self._limit, self._good = max(1, self._limit // 2), 0

    def well(self) -> None:
        """The service answered."""
        with self._changed:
            self._good += 1
            if self._good >= 20 and self._limit < self._most:
                self._limit, self._good = self._limit + 1, 0
                self._changed.notify_all()


@lru_cache(maxsize=16)
def shared(address: str, key_env: str, scheme: str, limits: Limits, insecure: bool) -> Client:
    """One client for an address, shared by all rankers and threads of a process: limits are the service's.

    Args:
        address: Full URL.
        key_env: Environment variable that holds the key; empty: no key.
        scheme: What precedes the key in the header ``Authorization``.
        limits: Of concurrency, rate and time.
        insecure: Allow plain HTTP to hosts that are not local.

    Raises:
        PluginError: The variable is not set, or holds what is no key.
    """
    key = os.environ.get(key_env, "") if key_env else ""
    if key_env and not key:
        raise PluginError(f"http: the environment variable {key_env} (key_env) is not set")
    if key != key.strip() or not key.isprintable():
        raise PluginError(f"http: the value of {key_env} has blanks or line ends around it")
    return Client(address, {"Accept": "application/json"}, f"{scheme} {key}" if key else "", limits, insecure=insecure)


def together(ask: Callable[[Item], Result], items: Sequence[Item], in_flight: int) -> list[Result]:
    """Ask for all items, so many at one time; what fails is raised when all have ended, so that all are counted."""
    if len(items) == 1:
        return [ask(items[0])]
    asked = [_threads(in_flight).submit(copy_context().run, ask, item) for item in items]
    wait(asked)
    return [each.result() for each in asked]


@lru_cache(maxsize=4)
def _threads(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, thread_name_prefix="robustrank-http")


@contextmanager
def lost(client: Client, pairs: int) -> Iterator[None]:
    """Count pairs as scored, or as lost where the block fails."""
    try:
        yield
    except Exception:
        client.count(lost=pairs)
        raise
    client.count(pairs=pairs)


def check_address(address: str, *, insecure: bool) -> None:
    """Require https, or a host of this machine or network.

    Raises:
        PluginError: It is neither, or no address.
    """
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError as error:
        raise PluginError(f"http: {address!r} is no address: {error}") from error
    if parts.scheme not in ("http", "https") or not host:
        raise PluginError(f'http: {address!r} is no address; give url = "http://host:port" or "https://..."')
    if parts.username or parts.password:
        raise PluginError("http: the address holds a name or password; give the key by `key_env`")
    if parts.scheme == "http" and not insecure and not _local(host):
        raise PluginError(f"http: texts and key would travel unencrypted to {host}; use https, or set insecure = true")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait by the headers ``retry-after-ms`` or ``Retry-After`` (seconds or a date)."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        text = headers.get(name, "").strip()
        if text.isascii() and text.replace(".", "", 1).isdecimal():
            return float(text) / unit
        try:
            return max(0.0, parsedate_to_datetime(text).timestamp() - time())
        except (ValueError, TypeError, OverflowError):  # no date, or none that can be
            continue
    return None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, each key once: of two scores nobody could say which one is meant."""
    value = dict(pairs)
    if len(value) < len(pairs):
        twice = next(key for number, (key, _) in enumerate(pairs) if key in dict(pairs[:number]))
        raise ServiceError(f"the answer has the key {twice[:40]!r} twice in one object", "answer")
    return value


def _local(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".localhost"))
    return address.is_loopback or address.is_private


def _message(content: bytes) -> str:
    """The message of an error body of the usual forms, else its beginning."""
    text = content[:2000].decode("utf-8", "replace")
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return " ".join(text.split())[:200]
    for key in ("error", "message", "detail", "reason"):
        if isinstance(body, dict) and body.get(key):
            inner = body[key]
            body = inner if isinstance(inner, dict | str) else json.dumps(inner)
    return str(body)[:200]


def _too_long(reason: str) -> bool:
    words = ("too long", "too large", "maximum context", "max_model_len", "maximum length", "empty", "exceed")
    return any(each in reason.lower() for each in words)
