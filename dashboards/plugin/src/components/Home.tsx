import { locationUtil } from '@grafana/data'
import { getDataSourceSrv, PluginPage } from '@grafana/runtime'
import { Alert, Card, TextLink } from '@grafana/ui'
import React from 'react'
import { BOARDS } from '../boards.ts'

/** The start page of the app: its boards, and what is missing before they can show anything. */
export function Home() {
  const hasClickHouse = getDataSourceSrv().getList({ type: 'grafana-clickhouse-datasource' }).length > 0
  return (
    <PluginPage subTitle="The andon cord for customer-facing AI agents">
      {!hasClickHouse && (
        <Alert severity="info" title="No ClickHouse data source yet">
          The boards read the store of the monitor.{' '}
          <TextLink href="/connections/datasources/new">Add a ClickHouse data source</TextLink> that points to it; each
          board then offers it in its first variable.
        </Alert>
      )}
      {BOARDS.map(({ uid, title, description }) => (
        <Card key={uid} href={locationUtil.assureBaseUrl(`/d/${uid}`)} noMargin>
          <Card.Heading>{title}</Card.Heading>
          <Card.Description>{description}</Card.Description>
        </Card>
      ))}
    </PluginPage>
  )
}
