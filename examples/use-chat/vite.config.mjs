import { defineConfig } from 'vite';

export default defineConfig({
  // The page and Holdfast are one origin to the browser, as behind a proxy in production.
  server: { proxy: { '/ai-sdk': process.env.HOLDFAST_URL ?? 'http://127.0.0.1:3000' } },
});
