/** The child's end of a measurement, which says its process id, and fails in the way that its settings name. */
const { fails } = JSON.parse(process.argv[2]);
const say = (answer, said) => process.send(answer, undefined, undefined, said);
const die = () => say({ error: 'a thread of it failed' }, () => process.exit(1));

process.once('disconnect', () => process.exit());
process.on('message', (question) => {
  if (question.close) return say({}, () => process.disconnect());
  if (fails === 'in a round') return say({ error: 'units were lost' });
  if (fails === 'by going away in a round') return process.exit(7);
  say({ value: [process.pid, question.round] });
  if (fails === 'after a round') die();
  if (fails === 'by going away after a round') setImmediate(() => process.exit(7));
});
if (fails === 'as it opens') say({ error: 'no room' });
else if (fails === 'by going away as it opens') process.exit(7);
else say({});
