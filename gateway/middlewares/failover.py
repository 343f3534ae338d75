"""Which target, and which next? Asks the usable targets in order until one gives content, and stays with that.

`Roster` says who may be asked, `Course` who is next and when, `Trial` is one attempt, `race` lets two run beside
each other. Nothing here outlives the call: a client that leaves cancels whatever is under way, also the wait before
another attempt.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gateway.config.model import Config, Fault, Hold, Route
from gateway.config.model import Failover as Policy
from gateway.dialects import DIALECTS
from gateway.errors import ContentRefused, ContextExceeded, GatewayError, UpstreamUnavailable
from gateway.middlewares import usable
from gateway.middlewares.choice import Chooser, is_watching
from gateway.middlewares.continuation import Continuation, can_continue
from gateway.middlewares.course import Course, Step
from gateway.middlewares.hedging import race
from gateway.middlewares.roster import Roster
from gateway.middlewares.trial import Trial
from gateway.middlewares.turn import table_for
from gateway.services import Services
from gateway.stores.latencies import Latencies
from gateway.stores.retries import HedgeShare, RetryBudget, Ticket
from gateway.stores.slots import SlotTable
from gateway.stores.watching import Gate, Watcher
from gateway.types import EMPTY, SHADOW, Call, Chat, Facts, Handler, Middleware, Reply, Target, Timeouts, quick, replace

UNBOUNDED = float("inf")
UNWATCHED = ("tokens", "proxy")  # how long counting takes says nothing of a chat
WHOLE = Hold(is_all=True)
FURTHER = frozenset({"failover", "hedge", "continue"})  # attempts that are paid for by the budget where they fail


def build(route: Route, config: Config, services: Services) -> Middleware | None:
    watchers: list[Watcher] = [services.breakers]
    if DIALECTS[route.dialect].operation not in UNWATCHED and route.live is None and is_watching(config):
        watchers.append(services.standing)
    if route.failover.hedge is not None:
        watchers.append(services.latencies)
    return Failover(
        route.failover,
        route.is_verbatim,
        Chooser(services.standing, services.calibration.factor),
        gates=(services.switches, services.breakers),
        watchers=watchers,
        timeouts=route.timeouts,
        substitutes=config.substitutes,
        slots=table_for(config, services),
        shares=Shares(services.retries, services.hedges, services.latencies),
    )


@dataclass(frozen=True, slots=True)
class Shares:
    """What all routes of this process draw on."""

    retries: RetryBudget
    hedges: HedgeShare
    latencies: Latencies


class Failover:
    def __init__(
        self,
        policy: Policy,
        is_verbatim: bool,
        chooser: Chooser | None = None,
        *,
        gates: Sequence[Gate] = (),
        watchers: Sequence[Watcher] = (),
        timeouts: Timeouts | None = None,
        substitutes: Mapping[str, tuple[Target, ...]] = EMPTY,
        slots: SlotTable | None = None,
        shares: Shares | None = None,
        rand: Callable[[], float] = random.random,
    ) -> None:
        self._policy = policy
        self._is_verbatim = is_verbatim
        self._roster = Roster(gates, policy.fallbacks, substitutes, chooser, slots)
        self._watchers = watchers
        own = timeouts or Timeouts(*[UNBOUNDED] * 5)
        self._timeouts = replace(own, first_content_s=min(own.first_content_s, policy.first_content_s))
        self._tight: dict[Timeouts, Timeouts] = {}  # by a target's own; a configuration has a few
        self._shares = shares
        self._rand = rand

    async def __call__(self, call: Call, handler: Handler) -> Reply:
        if call.receipt.route == SHADOW:
            return await self._copied(call, handler)
        if self._shares is not None:
            self._shares.retries.request()
            if self._policy.hedge is not None:
                self._shares.hedges.request(call.receipt.route, self._policy.hedge.max_percent)
        call, targets = self._roster.of(call)
        course = Course(call, targets, self._policy, self._rand)
        is_continued = self._policy.is_continued and can_continue(call)
        asking = _Asking(course, handler, may_forward=self._is_verbatim and not is_continued)
        trial, call = await self._first(call, asking)
        if not is_continued:
            return trial.reply()

        async def go_on(broken: Trial, error: GatewayError, call: Call) -> Trial | None:
            return await self._following(broken, error, call, asking)

        return Continuation(call, go_on).reply(trial)

    async def explain(self, call: Call, facts: Facts) -> Call:
        """Tell who would be asked, in which order, and why the others would not."""
        facts["attempts"] = self._policy.attempts
        try:
            call, targets = self._roster.of(call, is_made=False)
            facts["targets"] = [target.name for target in targets]
        finally:
            facts["dropped"] = [{"target": name, "reason": reason} for name, reason in call.receipt.skipped]
        return call

    async def _copied(self, call: Call, handler: Handler) -> Reply:
        """Ask once, and nobody in another's place: nobody waits for a copy."""
        call, target = self._roster.alone(call)
        trial = self._trial(call, Step(target, "first", 0.0), may_forward=self._is_verbatim)
        return (await trial.open(handler)).reply()

    # ------------------------------------------------------------ one after another

    async def _first(self, call: Call, asking: _Asking) -> tuple[Trial, Call]:
        """Return the first attempt that holds, and the call as it was made. Raises the error of the last one."""
        loop, course = asyncio.get_running_loop(), asking.course
        diverted: set[Fault] = set()
        last: GatewayError | None = None
        try:
            while (step := await self._next(call, course, is_first=last is None)) is not None:
                if step.at_s > loop.time():
                    await asyncio.sleep(step.at_s - loop.time())
                    if self._roster.shut(call, step.target) is not None:
                        course.drop(step.target)
                        continue
                try:
                    trial = await self._opened(call, step, asking)
                    return await self._held(call, trial, course), call
                except GatewayError as error:
                    last = error
                fault = _fault(last)
                if fault is not None and fault not in diverted:
                    diverted.add(fault)
                    fallback = self._roster.fallback(call, fault)
                    if fallback is not None:
                        call, targets = self._roster.diverted(call, fallback, fault)
                        course.divert(targets)
                        continue
                if not course.goes_on(last) or loop.time() >= min(call.deadline_s, call.content_by_s):
                    raise last  # after the deadline there is nobody to answer in time
            if last is None:
                raise UpstreamUnavailable(f"nobody is left to serve {call.model!r}; try again later")
            if last.can_retry:
                call.receipt.unretried = course.unretried
            raise last
        finally:
            last = None  # its trace holds this frame: no circle

    async def _following(self, broken: Trial, error: GatewayError, call: Call, asking: _Asking) -> Trial | None:
        """Return an attempt at one of the other targets that goes on where an answer broke off; None: nobody can."""
        loop, course = asyncio.get_running_loop(), asking.course
        asking = replace(asking, may_forward=False)
        self._broke(broken, course, error)
        while course.goes_on(error) and loop.time() < call.deadline_s:
            step = await self._next(call, course, is_first=False)
            if step is None or step.why == "retry":
                return None
            if usable.refuse(call, step.target) is not None:
                course.skip(step.target)
                self._give_back(step)
                continue
            try:
                return await self._noted(self._begin(call, replace(step, why="continue"), asking), asking)
            except GatewayError as another:
                error = another
        return None

    async def _next(self, call: Call, course: Course, *, is_first: bool) -> Step | None:
        """Return the next attempt that gates and the budget allow."""
        loop = asyncio.get_running_loop()
        until_s = min(call.deadline_s, call.content_by_s)
        while (step := course.next(loop.time(), until_s)) is not None:
            if is_first or step.why == "fallback":
                return step
            if step.why != "retry":
                reason = self._roster.shut(call, step.target)
                if reason is not None:
                    call.receipt.skipped.append((step.target.name, reason))
                    course.skip(step.target)
                    continue
            if self._shares is None:
                return step
            ticket = await self._leave(step, until_s)
            if ticket is None:
                course.unretried = "budget"
                return None
            return replace(step, ticket=ticket)
        return None

    async def _leave(self, step: Step, until_s: float) -> Ticket | None:
        assert self._shares is not None
        retries, percent = self._shares.retries, self._policy.retry_percent
        if step.why != "retry":
            return await retries.leave(step.target.name, percent, until_s)
        ticket = retries.take("", percent)
        if ticket is not None:
            ticket.settle(is_wasted=True)  # whatever becomes of it: it was asked for once already
        return ticket

    # ------------------------------------------------------------ one attempt

    async def _opened(self, call: Call, step: Step, asking: _Asking) -> Trial:
        """Return an attempt whose first content is there: the step's, or one that was begun beside it."""
        first = self._begin(call, step, asking)
        after_s = self._hedge_after_s(step)
        if after_s is None:
            return await self._noted(first, asking)
        winner, loser = await race(
            first, after_s, lambda: self._beside(call, asking), lambda trial: self._noted(trial, asking)
        )
        if loser is not None and self._shares is not None:
            waited_s = (loser.ended_s or loser.started_s) - loser.started_s
            self._shares.latencies.note(loser.target, waited_s)
        return winner

    def _beside(self, call: Call, asking: _Asking) -> Trial | None:
        """Begin an attempt at the next target beside one that takes long, where the shares allow one."""
        target = asking.course.beside()
        if target is None or self._shares is None or self._roster.shut(call, target) is not None:
            return None
        ticket = self._shares.retries.take(target.name, self._policy.retry_percent)
        if ticket is None:
            return None
        step = Step(target, "hedge", 0.0, ticket)
        if not self._shares.hedges.take(call.receipt.route):
            self._give_back(step)
            return None
        return self._begin(call, step, asking)

    def _begin(self, call: Call, step: Step, asking: _Asking) -> Trial:
        asking.course.began(step.target)
        return self._trial(call, step, may_forward=asking.may_forward)

    def _trial(self, call: Call, step: Step, *, may_forward: bool) -> Trial:
        own = step.target.timeouts
        tight = self._tight.get(own)
        if tight is None:
            tight = self._tight[own] = own.within(self._timeouts)
        return Trial(call, step, self._watchers, tight, may_forward=may_forward)

    async def _noted(self, trial: Trial, asking: _Asking) -> Trial:
        """Open an attempt, and take down what became of it."""
        try:
            await trial.open(asking.handler)
        except GatewayError as error:
            self._failed(trial, asking.course, error)
            raise
        if self._shares is not None:
            self._shares.retries.saw(trial.target.name, is_answer=True)
        return trial

    def _failed(self, trial: Trial, course: Course, error: GatewayError) -> None:
        course.failed(trial.target, error, asyncio.get_running_loop().time())
        if self._shares is not None and error.can_retry:
            self._shares.retries.saw(trial.target.name, is_answer=False)

    def _broke(self, trial: Trial, course: Course, error: GatewayError) -> None:
        """Take down that an attempt failed after its first content."""
        self._failed(trial, course, error)
        if self._shares is not None and trial.attempt.why in FURTHER and error.can_retry:
            self._shares.retries.waste()

    def _give_back(self, step: Step) -> None:
        if step.ticket is not None:
            step.ticket.settle(is_wasted=False)

    def _hedge_after_s(self, step: Step) -> float | None:
        """Return how long the step's target has before another is asked beside it; None: as long as it takes."""
        hedge = self._policy.hedge
        if hedge is None or self._shares is None or step.why not in ("first", "fallback"):
            return None
        return hedge.after_s if hedge.after_s is not None else self._shares.latencies.p95_s(step.target.name)

    async def _held(self, call: Call, trial: Trial, course: Course) -> Trial:
        """Return the attempt once as much of its answer is there as is to be held. Raises what went wrong before."""
        hold = self._policy.hold if call.stream else None
        wants_refusals = isinstance(call.body, Chat) and self._roster.wants("content_policy")
        if hold is None and not wants_refusals:
            return trial
        try:
            if hold is not None:
                await trial.fill(hold)
                call.receipt.held = call.receipt.held or "released"
            elif wants_refusals and not call.stream:
                await trial.fill(WHOLE, is_bounded=False)  # it is in memory anyway
            refusal = trial.refusal() if wants_refusals else None
            if refusal is not None and self._roster.fallback(call, "content_policy") is not None:
                await trial.close(refusal)
                raise refusal
        except GatewayError as error:
            if hold is not None and not isinstance(error, ContentRefused):
                call.receipt.held = "rescued"
            self._broke(trial, course, error)
            raise
        return trial


@quick
@dataclass(frozen=True, slots=True)
class _Asking:
    """What all attempts of one call have in common."""

    course: Course
    handler: Handler
    may_forward: bool


def _fault(error: GatewayError) -> Fault | None:
    if isinstance(error, ContextExceeded):
        return "context_window"
    return "content_policy" if isinstance(error, ContentRefused) else None
