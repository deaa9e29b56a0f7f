/** What is promised: every module that Grafana loads, with the oldest and the newest version of Grafana. */
export const MODULES = ['src/module.ts', 'src/timeline/module.ts'] as const
export const VERSIONS = ['12.4.2', '13.2.2'] as const
