/** The order state machine, pure. The numbers are what rings and the journal carry. */

export const Status = { held: 1, confirmed: 2, cancelled: 3, expired: 4 } as const;
export type Status = (typeof Status)[keyof typeof Status];

export type StatusName = keyof typeof Status;

const names: readonly StatusName[] = ['held', 'confirmed', 'cancelled', 'expired'];

/** The name of a status number. */
export function statusName(status: Status): StatusName {
  return names[status - 1]!;
}

/** What may be asked of an order that exists. */
export const Step = { confirm: 1, cancel: 2, expire: 3 } as const;
export type Step = (typeof Step)[keyof typeof Step];

const target: Readonly<Record<Step, Status>> = {
  [Step.confirm]: Status.confirmed,
  [Step.cancel]: Status.cancelled,
  [Step.expire]: Status.expired,
};

/** The status a step leads to. */
export function targetOf(step: Step): Status {
  return target[step];
}

export type StepResult = 'change' | 'already' | 'refused';

/**
 * Whether `step` may be taken from `status`: only a held order moves; an order that is where the step leads
 * answers `already` (confirm and cancel are idempotent); anything else is refused by the status it is in.
 */
export function resultOfStep(status: Status, step: Step): StepResult {
  if (status === Status.held) return 'change';
  return status === target[step] ? 'already' : 'refused';
}
