/**
 * Memory that is reserved at once and provided by the system page by page, each as it is first written to. Under some
 * hypervisors that takes longer than thirty decisions; so what is going to be used is written to beforehand, while nobody
 * waits.
 */

/** Words of a page, or part of one where pages are larger. */
export const pageWords = 1_024;

export class Pages {
  readonly words: Int32Array<ArrayBuffer>;
  /** Up to here every page was written to. */
  #touched = 0;

  /** @param words zeros that nobody has written to yet */
  constructor(words: Int32Array<ArrayBuffer>) {
    this.words = words;
  }

  /**
   * Writes zeros to pages from word `used`, before which nothing is written, up to `until`.
   *
   * @returns how many pages it wrote to: fewer than `pagesMax` once all of them are there
   */
  touch(used: number, until: number, pagesMax: number): number {
    const from = Math.ceil(Math.max(this.#touched, used) / pageWords) * pageWords;
    const end = Math.min(from + pagesMax * pageWords, until);
    if (end <= from) return 0;
    for (let i = from; i < end; i += pageWords) this.words[i] = 0;
    this.#touched = end;
    return Math.ceil((end - from) / pageWords);
  }
}
