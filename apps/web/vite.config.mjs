import { defineConfig } from 'vite';

/** For `npm run dev -w @rerank-fleet/web`: the pages from their sources, the API from where `npm start` has it. */
const API = 'http://127.0.0.1:8080';

export default defineConfig({
  root: `${import.meta.dirname}/src`,
  cacheDir: '../../../node_modules/.cache/rerank-fleet/vite',
  // Relative, so that the pages work under whatever path a proxy gives them.
  base: './',
  build: {
    outDir: '../dist',
    emptyOutDir: true,
    target: 'es2023',
    // Inlined files would be data: URLs, which the content security policy does not allow to scripts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: false,
    reportCompressedSize: false,
  },
  server: { proxy: Object.fromEntries(['/v1', '/health', '/docs', '/openapi.json', '/admin'].map((path) => [path, API])) },
});
