/** The one decision about a new order, pure: the same inputs give the same outcome. */
import { Outcome } from './outcome.js';
import { Phase } from './phase.js';

const refusalOfPhase: readonly (Outcome | undefined)[] = [
  Outcome.notStarted,
  undefined,
  Outcome.paused,
  Outcome.ended,
];

/** The refusal that a phase means for a new order, or undefined when the sale is open. */
export function refusalIn(phase: Phase): Outcome | undefined {
  return refusalOfPhase[phase];
}

/**
 * Decides one new order: phase, then purchase limit, then stock. Replays were answered before.
 *
 * @param phase at the batch's time
 * @param purchased units the buyer has of this SKU in orders that are neither cancelled nor expired
 * @param limit purchase limit per buyer, in units; 0 for none
 * @param available units
 * @param quantity units asked for, ≥ 1
 */
export function decide(
  phase: Phase,
  purchased: number,
  limit: number,
  available: number,
  quantity: number,
): Outcome {
  if (phase !== Phase.open) return refusalOfPhase[phase]!;
  if (limit > 0 && purchased + quantity > limit) return Outcome.limitReached;
  if (available < quantity) return available === 0 ? Outcome.soldOut : Outcome.insufficientStock;
  return Outcome.done;
}
