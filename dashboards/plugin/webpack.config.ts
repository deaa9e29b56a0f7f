import CopyWebpackPlugin from 'copy-webpack-plugin'
import type { Configuration } from 'webpack'
import { merge } from 'webpack-merge'
import { getPackageJson } from './.config/bundler/utils.ts'
import baseConfig, { type Env } from './.config/webpack/webpack.config.ts'
import { bundledBoard } from './boards.build.ts'

/** The scaffolded build, and what it does not know of: the pictures of the nested panel and the boards, which are generated next door. */
export default async (env: Env): Promise<Configuration> =>
  merge(await baseConfig(env), {
    plugins: [
      new CopyWebpackPlugin({
        patterns: [
          { from: 'timeline/img', to: 'timeline/img' },
          ...['../../grafana/*.json', 'dashboards/*.json'].map((from) => ({
            from,
            to: 'dashboards/[name][ext]',
            force: true, // the scaffolded build copies boards as they are
            transform: (content: Buffer) => bundledBoard(content.toString(), getPackageJson().version),
          })),
        ],
      }),
    ],
  })
