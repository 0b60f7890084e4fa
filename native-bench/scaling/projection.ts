/** What the fitted law says of machines with more cores, as curves and as sentences. Never a measurement, and marked so. */
import type { Curves, Figure } from '../harness/report.js';
import { fitted, type Point, peakOf, type ScalingLaw, valueAt } from './scaling-law.js';

export interface Step {
  readonly cores: number;
  /** Orders per second, by round. */
  readonly figure: Figure;
}

type Line = Curves['lines'][number];

/** The largest machine that is spoken of, unless this one is larger. */
const coresProjectedMax = 128;

/** Through the medians, and through each round alone: how far those lie apart is how little the fit is to be believed. */
export interface Fit {
  readonly law: ScalingLaw;
  readonly byRound: readonly ScalingLaw[];
}

export function fitOf(steps: readonly Step[]): Fit | undefined {
  const law = fitted(steps.map(({ cores, figure }): Point => [cores, figure.median]));
  if (law === undefined) return undefined;
  const byRound = steps[0]!.figure.rounds.map(
    (_, round) => fitted(steps.map(({ cores, figure }): Point => [cores, figure.rounds[round]!]))!,
  );
  return { law, byRound };
}

/** What the rounds say of so many cores, from the least to the most. */
function rangeAt({ law, byRound }: Fit, cores: number): { least: number; most: number } {
  const values = [law, ...byRound].map((one) => valueAt(one, cores));
  return { least: Math.min(...values), most: Math.max(...values) };
}

export function measuredLine(name: string, steps: readonly Step[]): Line {
  return { name, points: steps.map(({ cores, figure }) => [cores, figure.median] as const) };
}

export function projectedLines(name: string, fit: Fit, coresHere: number): Line[] {
  const cores: number[] = [];
  for (let n = 1; n <= Math.max(coresProjectedMax, coresHere); n *= 2) cores.push(n);
  const line = (lineName: string, value: (n: number) => number): Line => ({
    name: lineName,
    points: cores.map((n) => [n, value(n)] as const),
    projection: true,
  });
  return [
    line(name, (n) => valueAt(fit.law, n)),
    line(`${name}, least of the rounds`, (n) => rangeAt(fit, n).least),
    line(`${name}, most of the rounds`, (n) => rangeAt(fit, n).most),
    line('linear, without any loss', (n) => fit.law.lambda * n),
  ];
}

/** What was fitted, what it says of bigger machines, and why it may be wrong. */
export function projectionNotes(fit: Fit, steps: readonly Step[]): string[] {
  const { law } = fit;
  const here = steps.at(-1)!.cores;
  const targets = [4, 8, 16, 32, 64, coresProjectedMax].filter((n) => n > here);
  const said = targets.map((n) => {
    const { least, most } = rangeAt(fit, n);
    return `${n} cores ${millions(valueAt(law, n))} (${millions(least)} … ${millions(most)})`;
  });
  const parameters =
    `λ = ${Math.round(law.lambda).toLocaleString('en')} orders/s on one core, σ = ${law.sigma.toFixed(4)} contended` +
    (law.kappa === undefined ? '' : `, κ = ${law.kappa.toExponential(2)} coherence`);
  const notes = [`Fitted to ${steps.length} points (memory, uniform demand): ${parameters}.`];
  if (said.length > 0) {
    notes.push(
      `PROJECTION, not measured, in million orders/s (least … most of the rounds alone): ${said.join(', ')}.`,
    );
  }
  if (law.sigma > 1) {
    notes.push(
      'σ is over 1, which no machine has: more cores gave fewer orders. Others used the machine, or it is not what it says.',
    );
  }
  if (law.kappa === undefined) notes.push(underdetermined(steps.length, law));
  else if (Number.isFinite(peakOf(law))) {
    notes.push(
      `By the law the most orders come at ${Math.round(peakOf(law))} cores; beyond, more cores give fewer.`,
    );
  }
  return notes;
}

function underdetermined(points: number, { spare }: ScalingLaw): string {
  const proof =
    spare === 0
      ? 'The curve goes through every point whatever they are, so nothing here could have contradicted it'
      : `${spare} point is all that could have contradicted it`;
  return (
    `CAUTION: ${points} points do not determine the three parameters of the Universal Scalability Law. Only λ and σ were ` +
    `fitted (Amdahl's law) and the coherence cost κ was taken for 0, so the projection can never bend down, as a real ` +
    `machine may. ${proof}: it is arithmetic on ${points} rates, not evidence about a bigger machine. Run it on one with at ` +
    'least 4 cores.'
  );
}

function millions(value: number): string {
  return (value / 1e6).toFixed(value < 1e7 ? 2 : 1);
}
