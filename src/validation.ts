/**
 * Compiled JSON Schemas, and from their errors to issues a person can act on. Any thread; nothing here has state. Of
 * TypeBox only the compiler and the formats are loaded: what builds schemas is hundreds of files more, at every start.
 */
import type { Static } from 'typebox';
import { Compile, type XSchema } from 'typebox/schema';
import type { ValidationIssue } from './errors.js';

/** What a compiled schema offers. */
export interface Validator<T> {
  Check(value: unknown): value is T;
  Errors(value: unknown): readonly SchemaError[];
}

export interface SchemaError {
  readonly keyword: string;
  readonly instancePath: string;
  readonly message: string;
  readonly params: object;
}

/** Compiles a schema. */
export function compile<const S extends XSchema>(schema: S): Validator<Static<S>> {
  const compiled = Compile(schema);
  return {
    Check: (value): value is Static<S> => compiled.Check(value),
    Errors: (value) => compiled.Errors(value)[1] as readonly SchemaError[],
  };
}

/** Issues at most: the rest of a hopeless body helps nobody. */
const issuesMax = 20;
/** Properties and items, at all depths, of a value that is looked into: beyond it is no request, and takes seconds. */
const partsMax = 16_384;

/**
 * Where and how `value` breaks the schema. Empty when it does not.
 *
 * @param sentences by format: what a text of this format must be
 */
export function issuesOf(
  validator: Validator<unknown>,
  value: unknown,
  sentences: Readonly<Record<string, string>> = {},
): ValidationIssue[] {
  try {
    if (hasMoreParts(value, partsMax)) return [{ path: '', message: 'has far too many parts' }];
  } catch {
    // Of an embedder: a getter that throws, a proxy that was revoked.
    return [{ path: '', message: 'has parts that cannot be read' }];
  }
  const issues: ValidationIssue[] = [];
  for (const error of validator.Errors(value)) {
    for (const issue of explain(error, sentences)) {
      if (issues.length < issuesMax) issues.push(issue);
    }
  }
  return issues;
}

/** Whether a value consists of more than `max` properties and items. Stops as soon as that is known. */
function hasMoreParts(value: unknown, max: number): boolean {
  const left = [value];
  let parts = 0;
  while (left.length > 0) {
    const next = left.pop();
    if (typeof next !== 'object' || next === null) continue;
    const inside = Object.values(next);
    parts += inside.length;
    if (parts > max) return true;
    for (const part of inside) left.push(part);
  }
  return false;
}

function explain(error: SchemaError, sentences: Readonly<Record<string, string>>): ValidationIssue[] {
  const params = error.params as {
    readonly additionalProperties?: readonly string[];
    readonly requiredProperties?: readonly string[];
    readonly allowedValues?: readonly unknown[];
    readonly format?: string;
  };
  switch (error.keyword) {
    case 'boolean':
      // The same unknown property again, as seen from inside it.
      return [];
    case 'additionalProperties':
      return (params.additionalProperties ?? []).map((name) => ({
        path: `${error.instancePath}/${pointerPart(name)}`,
        message: 'is not a known property',
      }));
    case 'required':
      return (params.requiredProperties ?? []).map((name) => ({
        path: `${error.instancePath}/${pointerPart(name)}`,
        message: 'is required',
      }));
    case 'enum':
      return [
        { path: error.instancePath, message: `must be one of ${(params.allowedValues ?? []).join(', ')}` },
      ];
    case 'format':
      return [{ path: error.instancePath, message: sentences[params.format ?? ''] ?? error.message }];
    default:
      return [{ path: error.instancePath, message: error.message }];
  }
}

/** Escapes a name for a JSON Pointer (RFC 6901). */
function pointerPart(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}

/** All issues in one sentence. */
export function describeIssues(issues: readonly ValidationIssue[]): string {
  return issues.map((issue) => `${issue.path || '/'} ${issue.message}`).join('; ');
}
