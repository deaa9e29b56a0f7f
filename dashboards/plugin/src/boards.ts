/** Boards that come with the app, in the order of its start page; each has a file under dashboards/ and a line in plugin.json. */
export const BOARDS: readonly Readonly<{ uid: string; title: string; description: string }>[] = [
  {
    uid: 'andon-timeline',
    title: 'Release timeline',
    description: 'Every release as a lane, with the clock of every incident.',
  },
  {
    uid: 'andon-live',
    title: 'Live',
    description: 'For SREs: what every release does to customers now, and how far it is from being paused.',
  },
  {
    uid: 'andon-on-call',
    title: 'On-call',
    description: 'For those who are paged: what is paused or going bad, whom it touches, what to do next.',
  },
  {
    uid: 'andon-releases',
    title: 'Releases',
    description: 'For owners of agents: what became of every release, and two of them compared.',
  },
  {
    uid: 'andon-leaders',
    title: 'Leaders',
    description: 'How often releases are taken back, how fast and how rightly, and what customers went through.',
  },
  {
    uid: 'andon-monitor',
    title: 'Monitor health',
    description: 'Does the monitor receive, count, judge and tell? How did its drills go?',
  },
]
