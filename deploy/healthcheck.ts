/** What the image's HEALTHCHECK runs: 0 when the process is ready. /readyz answers without a token. */
const answer = await fetch('http://127.0.0.1:4320/readyz').catch(() => null)
process.exitCode = answer?.ok ? 0 : 1
