/** A bar on stderr while journals are read: on a terminal only, and only where it takes long. */
import cliProgress from 'cli-progress';
import type { ProgressListener } from '../../audit/audit.js';

/** What is read faster than this needs no bar. */
const quietMs = 500;

export interface AuditProgress {
  readonly listener: ProgressListener;
  readonly stop: () => void;
}

export function showAuditProgress(): AuditProgress {
  if (process.stderr.isTTY !== true) return { listener: () => {}, stop: () => {} };
  const startedMs = performance.now();
  let bar: cliProgress.SingleBar | undefined;
  const begin = (total: number): cliProgress.SingleBar => {
    const begun = new cliProgress.SingleBar({
      format: '{bar} {percentage}% | shard {shard} of {shards} | {value}/{total} commits',
      barCompleteChar: '█',
      barIncompleteChar: '░',
      hideCursor: true,
      gracefulExit: true,
    });
    begun.start(total, 0, { shard: 0, shards: 0 });
    return begun;
  };
  return {
    listener: ({ shard, shards, commitsRead, commits }) => {
      if (bar === undefined && performance.now() - startedMs < quietMs) return;
      bar ??= begin(commits);
      bar.setTotal(Math.max(commits, commitsRead));
      bar.update(commitsRead, { shard: shard + 1, shards });
    },
    stop: () => bar?.stop(),
  };
}
