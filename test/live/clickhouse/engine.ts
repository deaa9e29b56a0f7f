/** ClickHouse in a process of its own: `node engine.ts ARGUMENTS` is `clickhouse local ARGUMENTS`, out of the library that the embedded store uses. */
import { libchdbPath } from 'chdb/libchdb'
import { DataType, load, open } from 'ffi-rs'

const args = ['clickhouse', ...process.argv.slice(2)]
open({ library: 'chdb', path: libchdbPath() })
// It returns when its statements have ended; the process is its own until then.
load({
  library: 'chdb',
  funcName: 'chdb_query_cmdline',
  retType: DataType.I64,
  paramsType: [DataType.I32, DataType.StringArray],
  paramsValue: [args.length, args],
})
process.exit(0)
