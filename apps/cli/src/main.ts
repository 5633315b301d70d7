// No static imports: they would be read, and could fail, before the check.
const MIN_NODE_MAJOR = 22;

const major = Number(process.versions.node.split('.')[0]);
if (major < MIN_NODE_MAJOR) {
  process.stderr.write(
    `rerank needs Node ${MIN_NODE_MAJOR} or later; this is ${process.versions.node}.\n` +
      'In the folder of rerank-fleet, `npx rerank` runs on the Node that comes with it; elsewhere install a newer one.\n',
  );
  process.exitCode = 1;
} else {
  const { runCli } = await import('./run-cli.js');
  await runCli(process.argv);
}

export {};
