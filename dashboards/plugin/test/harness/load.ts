import * as emotionCss from '@emotion/css'
import * as grafanaData from '@grafana/data'
import * as grafanaRuntime from '@grafana/runtime'
import * as grafanaUi from '@grafana/ui'
import React from 'react'
import * as jsxRuntime from 'react/jsx-runtime'
import { Frame } from './home.tsx'

/** What Grafana hands to every plugin. */
const MODULES: Readonly<Record<string, unknown>> = {
  '@emotion/css': emotionCss,
  '@grafana/data': grafanaData,
  '@grafana/runtime': { ...grafanaRuntime, PluginPage: Frame }, // Grafana sets it when it starts
  '@grafana/ui': grafanaUi,
  react: React,
  'react/jsx-runtime': jsxRuntime,
}

/** A built module as Grafana loads it: AMD, with its libraries handed in. One after the other: `define` is global. */
export function load<Plugin>(src: string): Promise<Plugin> {
  return new Promise((resolve, reject) => {
    const define = (names: readonly string[], factory: (...modules: unknown[]) => { plugin: Plugin }) => {
      const missing = names.filter((name) => name !== 'module' && !(name in MODULES))
      if (missing.length > 0) return reject(new Error(`${src} asks for ${missing.join(', ')}`))
      resolve(factory(...names.map((name) => (name === 'module' ? { uri: src } : MODULES[name]))).plugin)
    }
    Object.assign(window, { define: Object.assign(define, { amd: {} }) })
    document.head.append(Object.assign(document.createElement('script'), { src, onerror: reject }))
  })
}
