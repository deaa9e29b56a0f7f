/** Boards that come with the app, in the order of its start page; each has a file in dashboards/ and a line in plugin.json. */
export const BOARDS: readonly Readonly<{ uid: string; title: string; description: string }>[] = []
