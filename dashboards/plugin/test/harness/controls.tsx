import type { GrafanaTheme2, TimeRange } from '@grafana/data'
import { Combobox, InlineField, InlineSwitch, LinkButton, TimeRangeLabel, ToolbarButton } from '@grafana/ui'
import React from 'react'

/** What stands above the panels: variables with what is chosen, marks that can be hidden, links to other boards. */
export type Control = Readonly<{ kind: 'variable' | 'mark' | 'link'; label: string; chosen?: string }>

const nothing = () => {}

/** The header of a board, to look at: nothing of it acts. */
export function Controls({
  controls,
  timeRange,
  theme,
}: {
  controls: readonly Control[]
  timeRange: TimeRange
  theme: GrafanaTheme2
}) {
  const row = { display: 'flex', flexWrap: 'wrap', gap: theme.spacing(1), marginBottom: theme.spacing(1) } as const
  return (
    <header style={{ marginBottom: theme.spacing(1) }}>
      <div style={row}>
        {controls.map(({ kind, label, chosen = '' }) =>
          kind === 'link' ? (
            <LinkButton key={label} icon="apps" variant="secondary" fill="outline" size="sm">
              {label}
            </LinkButton>
          ) : (
            <InlineField key={label} label={label} style={{ margin: 0 }}>
              {kind === 'mark' ? (
                <InlineSwitch value onChange={nothing} />
              ) : (
                <Combobox
                  width="auto"
                  minWidth={8}
                  options={[{ value: chosen, label: chosen }]}
                  value={chosen}
                  onChange={nothing}
                />
              )}
            </InlineField>
          ),
        )}
        <ToolbarButton icon="clock-nine" variant="canvas" isOpen={false}>
          <TimeRangeLabel value={timeRange} timeZone="utc" />
        </ToolbarButton>
      </div>
    </header>
  )
}
