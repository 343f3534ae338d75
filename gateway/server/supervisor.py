"""Several processes that serve on one address: started, reloaded together, replaced when they die, stopped.

The supervisor serves nothing. It has no thread and no event loop, so that it may fork at any time: a worker that died
is replaced in milliseconds, with the configuration that serves and not with what lies in the files by then. It holds
the workers' listening sockets: who connects while a worker is being replaced waits for the new one.
"""

from __future__ import annotations

import gc
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable

from gateway.config.model import Config
from gateway.server.gathering import Gathering
from gateway.server.line import Load, Message, Worker
from gateway.server.link import Place
from gateway.server.notify import Notifier
from gateway.server.rounds import Rounds
from gateway.server.sockets import bind, url_of
from gateway.stores.slots import Share
from gateway.telemetry import logs

START_S = 60.0  # for a worker to serve; one that takes longer hangs
LATE_S = 10.0  # beyond the limits of a drain: the ledger is written, and then what is left is killed
QUICK_DEATH_S = 1.0  # who dies sooner is not replaced at once: it would die again
MAX_REST_S = 10.0
SIGNALS = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)

Announce = Callable[[Config, str, str | None], None]
Serve = Callable[[Place], int]  # what a worker does; returns its exit status


class Supervisor:
    def __init__(self, config: Config, load: Load, serve: Serve, announce: Announce, notifier: Notifier) -> None:
        self._count = config.server.workers
        self._serve = serve
        self._announce = announce
        self._notifier = notifier
        self._rounds = Rounds(config, load, self._ready, notifier)
        self._gathering: Gathering[Worker] = Gathering(lambda worker, kind, content: worker.send(kind, **content))
        self._selector = selectors.DefaultSelector()
        self._workers: dict[int, Worker] = {}  # by process id
        self._sockets: list[list[socket.socket]] = []
        self._switches: dict[str, str] = {}
        self._due: dict[int, float] = {}  # index of a worker that is to be replaced -> when
        self._quick_deaths = 0
        self._is_up = False  # all were there once
        self._first_key: str | None = None
        self._status: int | None = None  # that of the process, once it stops
        self._kill_s = float("inf")
        self._live_s = 0.0

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT, and return the exit status. Raises CannotListen."""
        config = self._rounds.config
        logs.set_up(config.server.log_level)
        self._sockets = bind(config.server, self._count)
        self._wake, wake = socket.socketpair()
        self._wake.setblocking(False)
        wake.setblocking(False)
        signal.set_wakeup_fd(wake.fileno())
        for number in SIGNALS:
            signal.signal(number, _wakes)
        self._selector.register(self._wake, selectors.EVENT_READ)
        self._start(0)  # alone: it makes or migrates the database
        while self._workers or (self._status is None and self._due):
            for key, _ in self._selector.select(self._pause_s()):
                if key.data is None:
                    for received in self._wake.recv(64):
                        self._signalled(received)
                elif key.data.pid in self._workers:
                    self._hear(key.data)
            self._look(time.monotonic())
        return self._status or 0

    # ---------------------------------------------------------------- workers

    def _start(self, index: int) -> None:
        ours, theirs = socket.socketpair()
        gc.collect()
        gc.freeze()  # what is here is shared with the new process as long as nobody touches it
        sys.stdout.flush()
        sys.stderr.flush()
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # one for the new process would be taken for one of ours
        pid = os.fork()
        if pid == 0:
            ours.close()
            share = Share(index, self._count)
            self._become(Place(theirs, self._sockets[index], self._rounds.config, self._rounds.number, share))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        theirs.close()
        self._workers[pid] = worker = Worker(index, pid, self._rounds.number, ours, self._selector)
        for provider, state in self._switches.items():
            worker.send("switch", provider=provider, state=state)

    def _become(self, place: Place) -> None:
        """Be the worker; never returns."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            os.setpgid(0, 0)  # Ctrl-C is for the supervisor, which lets the workers finish
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            self._selector.close()
            self._wake.close()
            for worker in self._workers.values():
                worker.release()
            for index, sockets in enumerate(self._sockets):
                for each in sockets if index != place.share.index else []:
                    each.close()
            status = self._serve(place)
            sys.stdout.flush()
            sys.stderr.flush()
        except BaseException:  # whatever it is, this process must not go on as a second supervisor
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(status)

    def _ready(self) -> list[Worker]:
        return [worker for worker in self._workers.values() if worker.is_serving and not worker.is_leaving]

    def _reap(self) -> None:
        for worker in tuple(self._workers.values()):
            pid, how = os.waitpid(worker.pid, os.WNOHANG)
            if pid:
                self._hear(worker)  # its last words
                self._ended(worker, os.waitstatus_to_exitcode(how))

    def _ended(self, worker: Worker, status: int) -> None:
        del self._workers[worker.pid]
        worker.close()
        self._gathering.gone(worker)
        self._rounds.changed(worker)
        if self._status is not None:
            return
        if not self._is_up:
            self._stop(status if status > 0 else 1, signal.SIGTERM)
        elif not worker.is_leaving:
            how = f"was killed by signal {-status}" if status < 0 else f"ended with {status}"
            logs.LOGGER.error("worker %d (process %d) %s; another takes its place", worker.index, worker.pid, how)
            self._gathering.restarts += 1
            self._due[worker.index] = time.monotonic() + self._rest_s(worker)

    def _rest_s(self, worker: Worker) -> float:
        """Return how long to wait before a worker is replaced: not at all, but where one after the other dies."""
        if worker.is_serving and time.monotonic() - worker.started_s >= QUICK_DEATH_S:
            self._quick_deaths = 0
            return 0.0
        self._quick_deaths += 1
        return min(MAX_REST_S, 0.1 * 2.0 ** (self._quick_deaths - 1))

    # ---------------------------------------------------------------- signals and time

    def _signalled(self, number: int) -> None:
        if number == signal.SIGCHLD:
            self._reap()
        elif number == signal.SIGHUP:
            self._rounds.is_wanted = True
        elif self._status is None:
            self._stop(0, number)
        else:
            self._kill(number)  # a second time: they cut what is under way

    def _stop(self, status: int, number: int) -> None:
        self._status = status
        server = self._rounds.config.server
        self._kill_s = time.monotonic() + server.shutdown_grace_s + server.shutdown_s + LATE_S
        self._notifier.stopping()
        self._due.clear()
        for sockets in self._sockets:  # from now on they are the workers' alone, and closed when these close them
            for each in sockets:
                each.close()
        self._kill(number)

    def _kill(self, number: int) -> None:
        for worker in self._workers.values():
            os.kill(worker.pid, number)

    def _pause_s(self) -> float | None:
        """Return how long there is nothing to do unless something comes; None: for ever."""
        times = [*self._due.values(), self._gathering.due_s, self._kill_s]
        times += [worker.started_s + START_S for worker in self._workers.values() if not worker.is_serving]
        if self._may_reload:
            times.append(self._rounds.due_s)
        if self._notifier.watchdog_s is not None:
            times.append(self._live_s + self._notifier.watchdog_s)
        soonest_s = min(times)
        return None if soonest_s == float("inf") else max(0.0, soonest_s - time.monotonic())

    @property
    def _may_reload(self) -> bool:
        return self._is_up and self._status is None

    def _look(self, now_s: float) -> None:
        if self._notifier.watchdog_s is not None and now_s >= self._live_s + self._notifier.watchdog_s:
            self._live_s = now_s
            self._notifier.live()
        for index in [index for index, due_s in self._due.items() if due_s <= now_s]:
            del self._due[index]
            self._start(index)
        if now_s >= self._kill_s:
            logs.LOGGER.error("%d workers did not end in time: they are killed", len(self._workers))
            self._kill_s = float("inf")
            self._kill(signal.SIGKILL)
        for worker in self._workers.values():
            if not worker.is_serving and now_s >= worker.started_s + START_S:
                logs.LOGGER.error("worker %d did not serve within %g s: it is killed", worker.index, START_S)
                worker.started_s = now_s
                os.kill(worker.pid, signal.SIGKILL)
        self._gathering.look(now_s)
        if self._may_reload:
            self._rounds.look(now_s)

    # ---------------------------------------------------------------- messages

    def _hear(self, worker: Worker) -> None:
        for message in worker.exchange():
            self._take(worker, message)

    def _take(self, worker: Worker, message: Message) -> None:
        match message["is"]:
            case "ready":
                self._let_in(worker)
            case "serving":
                if not self._is_up:
                    self._came(message["first_key"])
            case "leaving":
                self._replace(worker)
            case "wanted":
                self._rounds.is_wanted = True
            case "prepared":
                self._rounds.prepared(worker, message)
            case "applied":
                self._rounds.applied(worker, message)
            case "gather":
                serving = [each for each in self._workers.values() if each.is_serving]
                self._gathering.begin(worker, message["id"], serving, self._count)
            case "dump":
                self._gathering.dumped(worker, message["id"], message["families"])
            case "switch":
                self._switches[message["provider"]] = message["state"]
                for each in self._workers.values():
                    if each is not worker:
                        each.send("switch", provider=message["provider"], state=message["state"])

    def _let_in(self, worker: Worker) -> None:
        """Let a worker listen, but where another configuration serves by now: one that starts now has that."""
        if worker.number == self._rounds.number:
            worker.is_serving = True
            self._rounds.changed(worker)
            worker.send("go")
        else:
            self._replace(worker)
            os.kill(worker.pid, signal.SIGKILL)

    def _replace(self, worker: Worker) -> None:
        """Start another in its place at once: it will end by itself."""
        worker.is_leaving = True
        self._rounds.changed(worker)
        if self._status is None:
            self._due[worker.index] = 0.0

    def _came(self, first_key: str | None) -> None:
        """One more serves, at the start."""
        self._first_key = self._first_key or first_key
        if len(self._workers) < self._count:
            for index in range(1, self._count):
                self._start(index)
        elif all(each.is_serving for each in self._workers.values()):  # and listens, or will in a moment
            self._is_up = True
            self._announce(self._rounds.config, url_of(self._sockets[0][0].getsockname()), self._first_key)
            self._notifier.ready(f"configuration {self._rounds.serves} serves in {self._count} workers")


def _wakes(number: int, frame: object) -> None:
    """Do nothing. That a signal has a handler is what writes its number to the wake-up socket."""
