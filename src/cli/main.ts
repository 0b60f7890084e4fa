#!/usr/bin/env node
/**
 * The `leiniao` command. It only knows which subcommands exist: what a subcommand needs is loaded when that
 * subcommand is asked for, so help is fast and works where the native parts don't load.
 */
import { readFileSync } from 'node:fs';
import { Command, CommanderError, Option } from 'commander';
import { LeiniaoError } from '../errors.js';
import { exitCode, exitCodeHelp, reportFailure } from './exit-code.js';
import type { OptionSpec } from './option-spec.js';

/** The flags of all subcommands: those named here, and those that come from schemas. */
interface Flags {
  readonly config?: string;
  readonly demo?: boolean;
  readonly exitOnStdinEnd?: boolean;
  readonly json?: boolean;
  readonly format?: 'ndjson' | 'csv';
  readonly what?: 'orders' | 'journal';
  readonly out?: string;
  readonly [name: string]: unknown;
}

interface AuditFlags extends Flags {
  readonly receipt?: string;
  readonly publicKey?: string;
}

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

/** The options a subcommand takes from schemas, and whether the environment can set them as well. */
async function schemaOptionsOf(name: string): Promise<{ specs: readonly OptionSpec[]; withEnv: boolean }> {
  switch (name) {
    case 'serve':
      return { specs: (await import('./options.js')).serverOptionSpecs, withEnv: true };
    case 'doctor': {
      const { serverOptionSpecs } = await import('./options.js');
      return { specs: serverOptionSpecs.filter((spec) => spec.name === 'dataDir'), withEnv: true };
    }
    case 'simulate':
      return { specs: (await import('./simulate/options.js')).simulateOptionSpecs, withEnv: false };
    default:
      return { specs: [], withEnv: false };
  }
}

/** Adds those to the subcommand that is about to run, or to be explained. */
async function addSchemaFlags(command: Command): Promise<void> {
  const { specs, withEnv } = await schemaOptionsOf(command.name());
  if (specs.length === 0) return;
  const { flagsOf } = await import('./option-spec.js');
  for (const option of specs.flatMap((spec) => flagsOf(spec, withEnv))) command.addOption(option);
}

async function serverOptionsFrom(flags: Flags) {
  const { resolveServerOptions } = await import('./options.js');
  return await resolveServerOptions({ flags, env: process.env, configFile: flags.config });
}

async function runServe(flags: Flags): Promise<number> {
  const options = await serverOptionsFrom(flags);
  const { serve } = await import('./serve.js');
  const { demo = false, exitOnStdinEnd = false } = flags;
  return await serve({ ...options, demo, exitOnStdinEnd });
}

async function runSimulate(url: string | undefined, flags: Flags): Promise<number> {
  const { resolveSimulateOptions } = await import('./simulate/options.js');
  const options = resolveSimulateOptions(url, flags);
  const { simulate } = await import('./simulate.js');
  return await simulate(options);
}

async function runDoctor(flags: Flags): Promise<number> {
  const { engine, receiptKeyFile } = await serverOptionsFrom(flags);
  if (receiptKeyFile !== undefined) await (await import('./receipt-key.js')).readReceiptKey(receiptKeyFile);
  const { resolveEngineOptions } = await import('../options.js');
  const { dataDir } = resolveEngineOptions(engine);
  const { doctor } = await import('./doctor.js');
  return await doctor({ dataDir, json: flags.json ?? false });
}

async function runVerifyReceipt(receipt: string, publicKeyFile: string, flags: Flags): Promise<number> {
  const { verifyReceiptCommand } = await import('./verify-receipt.js');
  return await verifyReceiptCommand({ receipt, publicKeyFile, json: flags.json ?? false });
}

async function runAudit(dataDir: string, flags: AuditFlags): Promise<number> {
  const { receipt, publicKey: publicKeyFile, json = false } = flags;
  if ((receipt === undefined) !== (publicKeyFile === undefined)) {
    throw new LeiniaoError('invalid_options', '--receipt and --public-key: give both, or neither');
  }
  const { audit } = await import('./audit.js');
  const given = receipt === undefined ? {} : { receipt: { receipt, publicKeyFile: publicKeyFile! } };
  return await audit(dataDir, { json, ...given });
}

async function runExport(dataDir: string, flags: Flags): Promise<number> {
  const { exportFrom } = await import('./export.js');
  const { format = 'ndjson', what = 'orders', out } = flags;
  return await exportFrom(dataDir, { format, what, out });
}

/** Runs what judges a data folder: where it fails by itself, that must not look like a verdict. */
async function judging(judge: () => Promise<number>): Promise<number> {
  let code: number | undefined;
  // LMDB's binding works in timers as well. What fails there is told; a verdict that was given by then stands.
  process.once('uncaughtException', (error) => {
    reportFailure(error);
    // Not `process.exitCode`: what failed may keep the process alive for good.
    process.exit(code ?? exitCode.couldNotRun);
  });
  try {
    code = await judge();
  } catch (error) {
    code = reportFailure(error) === exitCode.usage ? exitCode.usage : exitCode.couldNotRun;
  }
  return code;
}

/** Told the exit code of the subcommand that ran. */
type Done = (code: number) => void;

function addServe(program: Command, done: Done): void {
  program
    .command('serve')
    .description('run the server until SIGINT or SIGTERM')
    .option('--config <file>', 'YAML or JSON file of options by name, e.g. dataDir (env: LEINIAO_CONFIG)')
    .option('--demo', 'open a sample sale and print commands to try it')
    .option('--exit-on-stdin-end', 'shut down when standard input ends, e.g. because the parent died')
    .addHelpText('after', '\nFlags win over the environment, the environment over the file.')
    .action(async (flags: Flags) => done(await runServe(flags)));
}

function addSimulate(program: Command, done: Done): void {
  program
    .command('simulate')
    .description('storm a server with buyers and check that it sells exactly')
    .argument(
      '[url]',
      'a running server, e.g. http://127.0.0.1:7070, which keeps the sale of the storm; without it one is started',
    )
    .option('--json', 'print one JSON object instead of tables')
    .action(async (url: string | undefined, flags: Flags) => done(await runSimulate(url, flags)));
}

function addDoctor(program: Command, done: Done): void {
  program
    .command('doctor')
    .description('check this machine, and whether a data folder can be written; audit reads what is in it')
    .option('--config <file>', 'the file serve would be given (env: LEINIAO_CONFIG)')
    .option('--json', 'print one JSON object')
    .action(async (flags: Flags) => done(await runDoctor(flags)));
}

function addVerifyReceipt(program: Command, done: Done): void {
  program
    .command('verify-receipt')
    .description('check the signature of a receipt, and print what it says')
    .argument('<receipt>', 'the receipt of an order; - reads it from standard input')
    .requiredOption('--public-key <file>', 'PEM file of the public key, from whoever ran the sale')
    .option('--json', 'print one JSON object')
    .action(async (receipt: string, flags: Flags & { readonly publicKey: string }) =>
      done(await runVerifyReceipt(receipt, flags.publicKey, flags)),
    );
}

function addAudit(program: Command, done: Done): void {
  program
    .command('audit')
    .description('read the journals of a data folder and name the first entry that is wrong')
    .argument('<data-dir>', 'a data folder; an engine may be using it')
    .option('--json', 'print one JSON object instead of tables')
    .option(
      '--receipt <receipt>',
      'say whether the journal has the order of this receipt; - reads it from stdin',
    )
    .option('--public-key <file>', 'PEM file of the public key that the receipt is checked with')
    .action(async (dataDir: string, flags: AuditFlags) =>
      done(await judging(() => runAudit(dataDir, flags))),
    );
}

function addExport(program: Command, done: Done): void {
  program
    .command('export')
    .description('write out the orders of a data folder, or its journals entry by entry')
    .argument('<data-dir>', 'a data folder; an engine may be using it')
    .addOption(
      new Option('--format <format>', 'one JSON object a line, or CSV (RFC 4180)')
        .choices(['ndjson', 'csv'])
        .default('ndjson'),
    )
    .addOption(
      new Option('--what <what>', 'orders as they are, or every journal entry')
        .choices(['orders', 'journal'])
        .default('orders'),
    )
    .option('--out <file>', 'write to a file instead of standard output')
    .action(async (dataDir: string, flags: Flags) => done(await judging(() => runExport(dataDir, flags))));
}

function buildProgram(done: Done): Command {
  const program: Command = new Command('leiniao')
    .description('A flash-sale engine: sells exactly N units to a crowd of any size.')
    .version(version)
    .addHelpText('after', exitCodeHelp)
    // Inherited by subcommands made after it: commander throws instead of exiting, so we choose the code.
    .exitOverride()
    .showHelpAfterError('(add --help for usage)')
    .hook('preSubcommand', (_program, command) => addSchemaFlags(command));

  addServe(program, done);
  addSimulate(program, done);
  addDoctor(program, done);
  addVerifyReceipt(program, done);
  addAudit(program, done);
  addExport(program, done);
  // Instead of commander's own, which would not wait for the flags from schemas.
  program
    .command('help')
    .description('display help for a command')
    .argument('[command]')
    .action(async (name: string | undefined) => {
      const command = name === undefined ? program : program.commands.find((known) => known.name() === name);
      if (command === undefined) program.error(`error: unknown command '${name}'`);
      await addSchemaFlags(command);
      command.help();
    });

  return program;
}

async function main(): Promise<number> {
  let code: number = exitCode.ok;
  try {
    await buildProgram((returned) => {
      code = returned;
    }).parseAsync();
    return code;
  } catch (error) {
    // Commander has printed its message; help and version arrive here as well, with 0.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCode.ok : exitCode.usage;
    return reportFailure(error);
  }
}

// `leiniao --help | head` is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') return;
  process.stderr.write(`leiniao: what was to be printed could not be written: ${error.message}\n`);
  process.exit(exitCode.couldNotRun);
});

// Not `process.exit`: what is still to be written is written, and a server that failed to stop is not aborted.
process.exitCode = await main();
