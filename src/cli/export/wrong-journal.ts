/** Ends an export: what comes after cannot be believed. */
import type { Finding } from '../../audit/wrong.js';

export class WrongJournal extends Error {
  readonly finding: Finding;

  constructor(finding: Finding) {
    super(finding.text);
    this.name = 'WrongJournal';
    this.finding = finding;
  }
}
