"""A seed, played: what happened, and what of it must not."""

from __future__ import annotations

import logging
from pathlib import Path

from tests.proofs.virtual.invariants import broken
from tests.proofs.virtual.loop import Stuck, run
from tests.proofs.virtual.plan import plan_of
from tests.proofs.virtual.world import World, run_plan


def played(seed: int, folder: Path) -> tuple[World, list[str]]:
    """Return what became of a seed, and what does not hold. Leaves nothing in `folder`."""
    plan = plan_of(seed)
    logging.disable(logging.CRITICAL)
    try:
        world = run(lambda loop: run_plan(loop, plan, folder), seed)
    except Stuck as stuck:
        return World(plan), [f"stuck: {stuck}"]
    finally:
        logging.disable(logging.NOTSET)
        for path in folder.glob(f"{seed}.db*"):
            path.unlink()
    return world, broken(world)
