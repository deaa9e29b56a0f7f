import { type AppPlugin, createTheme, ThemeContext } from '@grafana/data'
import { type PluginPageProps, setDataSourceSrv } from '@grafana/runtime'
import { GlobalStyles } from '@grafana/ui'
import React from 'react'
import { MemoryRouter } from 'react-router-dom-v5-compat'

/** The start page of the app in a plain frame. */
export function HomeStage({ app, hasClickHouse }: { app: AppPlugin; hasClickHouse: boolean }) {
  setDataSourceSrv({ getList: () => (hasClickHouse ? [{ name: 'ClickHouse' }] : []) } as never)
  const Page = app.root!
  return (
    <ThemeContext.Provider value={createTheme()}>
      <GlobalStyles />
      <MemoryRouter>
        <Page meta={app.meta} basename="/a/andon-app" path="/a/andon-app" query={{}} onNavChanged={() => {}} />
      </MemoryRouter>
    </ThemeContext.Provider>
  )
}

/** In place of the page that Grafana puts around an app. */
export const Frame = ({ subTitle, children }: PluginPageProps) => (
  <main>
    <p role="status">{subTitle}</p>
    {children}
  </main>
)
