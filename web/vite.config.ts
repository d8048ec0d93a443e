import { defineConfig } from 'vite';

/** `npm run build:web` puts the dashboard's pages where the server looks for them. */
export default defineConfig({
  root: import.meta.dirname,
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: '../dist/web',
    emptyOutDir: true,
    // The content security policy takes no data: addresses but for images.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  // `npx vite web` beside a gate with its dashboard on the usual port.
  server: { proxy: { '/api': 'http://127.0.0.1:8025' } },
});
