import { registerHooks } from 'node:module';

/** Lets benches use what tests are made of: there `./file.js` is written for `./file.ts`. Import such a module by `import()` after this one. */
registerHooks({
  resolve: (specifier, context, next) => {
    const inTests = context.parentURL?.includes('/test/support/') === true && specifier.startsWith('.');
    return next(inTests ? specifier.replace(/\.js$/, '.ts') : specifier, context);
  },
});
