export { buildProgram } from './program.js';
export { renderCliPage } from './document-cli.js';
export { runDemo, type DemoOptions } from './demo/run-demo.js';
export { runCli } from './run-cli.js';
export { EXIT_CODE_MEANINGS, ExitCode } from './exit-code.js';
