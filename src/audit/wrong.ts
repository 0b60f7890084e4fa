/** How the auditor says that a journal is wrong. Pure. */

/** What is wrong, as a sentence about the commit or the entry that is being looked at. */
export class Wrong extends Error {
  constructor(sentence: string) {
    super(sentence);
    this.name = 'Wrong';
  }
}

/** Ends the audit of a shard: what follows a wrong entry cannot be judged any more. */
export function wrong(sentence: string): never {
  throw new Wrong(sentence);
}

/** Something wrong, and where. */
export interface Finding {
  /** Undefined where it is not about one shard. */
  readonly shard?: number;
  readonly commit?: number;
  /** Which of the commit's entries, from 1. Undefined where it is about the commit itself. */
  readonly entry?: number;
  /** What kind of entry it is, as far as that could be read. */
  readonly type?: string;
  readonly text: string;
}

/** A finding as one line. */
export function findingLine({ shard, commit, entry, type, text }: Finding): string {
  const places = [
    ...(shard === undefined ? [] : [`shard ${shard}`]),
    ...(commit === undefined ? [] : [`commit ${commit}`]),
    ...(entry === undefined ? [] : [`entry ${entry}${type === undefined ? '' : ` (${type})`}`]),
  ];
  return places.length === 0 ? text : `${places.join(', ')}: ${text}`;
}
