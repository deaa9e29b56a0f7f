import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vite'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

/** Real libraries of Grafana in one page that loads the built panel: what its server would do, without it. */
export default defineConfig({
  root: here('.'),
  base: './',
  logLevel: 'warn',
  define: { 'process.env.NODE_ENV': '"production"', global: 'globalThis' },
  build: {
    outDir: here('../../.harness'),
    emptyOutDir: true,
    minify: true,
    chunkSizeWarningLimit: 100_000,
    sourcemap: false,
  },
})
