#!/usr/bin/env node
// Prisma's schema engine as WebAssembly, with the driver adapter, instead of the native engine, which Prisma's command
// downloads. PRISMA_SCHEMA_ENGINE_BINARY names this file. The command's protocol is JSON-RPC, one line a message.
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { PrismaPg } from '@prisma/adapter-pg'
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils'

const args = process.argv.slice(2)
const argument = (name) => args[args.indexOf(name) + 1]
const adapter = bindMigrationAwareSqlAdapterFactory(new PrismaPg({ connectionString: JSON.parse(argument('--datasource')).url }))

async function startEngine() {
  // The package's main file imports the module in a way that Node warns of.
  const file = (name) => new URL('node_modules/@prisma/schema-engine-wasm/' + name, import.meta.url)
  const glue = await import(file('schema_engine_bg.js'))
  const { instance } = await WebAssembly.instantiate(readFileSync(file('schema_engine_bg.wasm')), { './schema_engine_bg.js': glue })
  glue.__wbg_set_wasm(instance.exports)
  instance.exports.__wbindgen_start()
  const datamodels = args.flatMap((arg, i) => (args[i - 1] === '--datamodels' ? [[arg, readFileSync(arg, 'utf8')]] : []))
  return glue.SchemaEngine.new({ datamodels }, () => {}, adapter)
}

async function call(engine, { id, method, params }) {
  try {
    return { jsonrpc: '2.0', id, result: (await engine[method](params)) ?? null }
  } catch (error) {
    const message = error.message ?? String(error)
    return { jsonrpc: '2.0', id, error: { code: 4466, message, data: { is_panic: false, message, meta: error.meta ?? null, error_code: error.code ?? null } } }
  }
}

if (args[args.indexOf('cli') + 1] === 'can-connect-to-database' && args.includes('cli')) {
  const connection = await adapter.connect()
  await connection.value.dispose()
} else {
  const engine = await startEngine()
  for await (const line of createInterface({ input: process.stdin })) {
    process.stdout.write(JSON.stringify(await call(engine, JSON.parse(line))) + '\n')
  }
}
