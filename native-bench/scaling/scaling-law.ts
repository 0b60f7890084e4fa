/**
 * The Universal Scalability Law: X(N) = λN / (1 + σ(N − 1) + κN(N − 1)). λ is what one core does, σ the share that is
 * serial or contended, κ what every pair of cores costs each other (coherence). With κ = 0 it is Amdahl's law. Gunther,
 * "Guerrilla Capacity Planning", 2007. Pure.
 */
import { fcnnlsVector } from 'ml-fcnnls';

export interface ScalingLaw {
  /** In the unit of what was measured. */
  readonly lambda: number;
  readonly sigma: number;
  /** Undefined where there were too few points to tell it from σ: it counts as 0. */
  readonly kappa: number | undefined;
  /** Points beyond those that its parameters take up. None: it goes through all of them and proves nothing. */
  readonly spare: number;
}

export type Point = readonly [cores: number, value: number];

/** Points that three parameters take, and one that may contradict them. */
const pointsForKappa = 4;

/**
 * Fits the law. What N cores take for an order, N / X(N), is linear in 1/λ, σ/λ and κ/λ, none of which can be below zero:
 * so this is one non-negative least-squares problem, with one answer and nothing to start from (Lawson and Hanson,
 * "Solving Least Squares Problems", 1974). Deviations are relative ones, because rates deviate in proportion. With fewer
 * than four points κ is left out; with fewer than two there is nothing to fit.
 */
export function fitted(points: readonly Point[]): ScalingLaw | undefined {
  if (points.length < 2) return undefined;
  // Of the order of 1, so that nothing is lost in squares of millions.
  const unit = points[0]![1] / points[0]![0];
  const withKappa = points.length >= pointsForKappa;
  const rows = points.map(([n, value]) => {
    const weight = value / unit / n;
    return [1, n - 1, ...(withKappa ? [n * (n - 1)] : [])].map((cost) => cost * weight);
  });
  const solved = fcnnlsVector(rows, new Array(points.length).fill(1)).K.to1DArray();
  const [perOne = 0, contended = 0, coherence] = solved;
  return {
    lambda: unit / perOne,
    sigma: contended / perOne,
    kappa: coherence === undefined ? undefined : coherence / perOne,
    spare: points.length - solved.length,
  };
}

/** What the law says of so many cores. */
export function valueAt({ lambda, sigma, kappa = 0 }: ScalingLaw, cores: number): number {
  return (lambda * cores) / (1 + sigma * (cores - 1) + kappa * cores * (cores - 1));
}

/** How many cores give most; Infinity where more always give more. */
export function peakOf({ sigma, kappa = 0 }: ScalingLaw): number {
  return kappa === 0 ? Number.POSITIVE_INFINITY : Math.sqrt(Math.max(0, 1 - sigma) / kappa);
}
