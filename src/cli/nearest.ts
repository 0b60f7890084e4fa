/** "Did you mean …?": the known name closest to a misspelt one. */

const editsMax = 2;

/** Levenshtein distance, by the two-row method. */
function edits(from: string, to: string): number {
  let above = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= to.length; column += 1) {
      const replaced = above[column - 1]! + (from[row - 1] === to[column - 1] ? 0 : 1);
      current.push(Math.min(replaced, above[column]! + 1, current[column - 1]! + 1));
    }
    above = current;
  }
  return above[to.length]!;
}

/** A hint to append to an error, or nothing if no known name is near. */
export function didYouMean(name: string, known: Iterable<string>): string {
  let best: string | undefined;
  let bestEdits = editsMax + 1;
  for (const candidate of known) {
    if (Math.abs(candidate.length - name.length) > editsMax) continue;
    const distance = edits(name.toLowerCase(), candidate.toLowerCase());
    if (distance < bestEdits) [best, bestEdits] = [candidate, distance];
  }
  return best === undefined ? '' : `; did you mean ${best}?`;
}
