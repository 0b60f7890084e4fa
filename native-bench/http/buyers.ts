/** Names of buyers. All are of one length, so that all orders are, and their answers. */

/** A name that no load uses: a buyer who orders while nothing is measured. */
export const regular = 'r000-00-000000001';

let loads = 0;

/** What the names of a load's buyers begin with; no buyer of this process had such a name before. */
export function nextPrefix(): string {
  loads += 1;
  return `r${String(loads).padStart(3, '0')}-`;
}
