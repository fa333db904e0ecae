// How much a session may hold of copies: traffic of others that its client only listens to. A connection of which a copy has begun is worth completing, so it gets more room
// than a new one, as long as there is memory that nobody was promised.

import type { CopyRoom } from "../link/sessionLink.ts";
import type { MemoryBudget } from "../task/memoryBudget.ts";

/** Most bytes of copies that wait for one client. */
const MAX_BYTES = 4 * 1024 * 1024;

export function copyRoom(heldBytes: number, budget: MemoryBudget): CopyRoom {
  const share = heldBytes / limitBytes(budget);
  if (share < 1 / 2) return "plenty";
  if (share < 3 / 4) return "some";
  return share < 1 ? "little" : "none";
}

/** Whether so much has left that those who waited may go on. */
export function hasDrained(heldBytes: number, budget: MemoryBudget): boolean {
  return heldBytes <= limitBytes(budget) * (3 / 8);
}

function limitBytes(budget: MemoryBudget): number {
  return budget.hasSpare ? Math.max(MAX_BYTES, budget.shareLimitBytes) : 2 * budget.shareLimitBytes;
}
